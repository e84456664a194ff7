// expect: pp: a function with C variadic arguments
#include "submit.hpp"

#include <cstdio>

void use() { submit(std::printf, "%d", 1); }
