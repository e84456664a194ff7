// expect: pp: map calls the function with one argument, an element of the range
#include "map.hpp"

int add(int a, int b);
void use() { map(add, std::vector<int>(3)); }
