// expect: pp: a parameter that is a reference to non-const cannot travel
#include "submit.hpp"

void sort_it(std::vector<int>& v);
void use(std::vector<int>& v) { submit(sort_it, v); }
