// expect: pp: an argument does not convert to its parameter's type
#include "submit.hpp"

#include <string>

int twice(int a);
void use() { submit(twice, std::string("2")); }
