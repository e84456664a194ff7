// expect: pp: a job cannot return a reference to non-const
#include "submit.hpp"

int& counter(int which);
void use() { submit(counter, 1); }
