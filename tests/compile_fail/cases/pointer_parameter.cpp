// expect: pp: a pointer cannot travel
#include "submit.hpp"

int length(const char* text);
void use() { submit(length, "text"); }
