// expect: pp: this function object has state that cannot travel
#include "submit.hpp"

#include <functional>

void use(const std::function<int(int)>& f) { submit(f, 2); }
