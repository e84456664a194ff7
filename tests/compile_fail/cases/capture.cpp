// expect: pp: this function object has state that cannot travel: a lambda with captures
#include "submit.hpp"

void use(int factor) {
  submit([factor](int x) { return factor * x; }, 2);
}
