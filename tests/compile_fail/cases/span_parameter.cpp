// expect: pp: a view cannot travel
#include "submit.hpp"

int sum(std::span<const int> numbers);
void use(std::vector<int>& v) { submit(sum, v); }
