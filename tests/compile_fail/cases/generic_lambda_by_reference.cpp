// expect: pp: this function object cannot be called with these arguments
#include "submit.hpp"

void use() {
  submit([](auto& x) { return x; }, 1);
}
