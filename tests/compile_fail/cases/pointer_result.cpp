// expect: pp: a job cannot return a pointer
#include "submit.hpp"

const char* name_of(int n);
void use() { submit(name_of, 1); }
