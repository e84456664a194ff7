// expect: pp: the first argument must be something that can be called
#include "submit.hpp"

void use() { submit(5, 6); }
