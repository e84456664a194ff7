// expect: pp: a pointer cannot travel
#include "submit.hpp"

void use() {
  submit([](auto text) { return text; }, "text");
}
