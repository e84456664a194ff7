// expect: pp: the second argument of map must be something to iterate over
#include "map.hpp"

int add_one(int n);
void use() { map(add_one, 3); }
