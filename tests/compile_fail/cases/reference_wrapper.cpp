// expect: pp: a view cannot travel
#include "submit.hpp"

void use(int& n) {
  submit([](auto r) { return r.get(); }, std::ref(n));
}
