// expect: pp: an argument does not convert to its parameter's type
#include "map.hpp"

int length(std::string text);
void use() { map(length, std::vector<std::vector<int>>(3)); }
