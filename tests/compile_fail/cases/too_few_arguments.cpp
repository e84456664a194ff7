// expect: pp: wrong number of arguments for this function (default arguments are not known here
#include "submit.hpp"

int add(int a, int b = 1);
void use() { submit(add, 1); }
