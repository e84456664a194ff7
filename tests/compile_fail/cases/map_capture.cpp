// expect: pp: this function object has state that cannot travel
#include "map.hpp"

void use(int by) {
  map([by](int n) { return n + by; }, std::vector<int>(3));
}
