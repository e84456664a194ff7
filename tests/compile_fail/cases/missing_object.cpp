// expect: pp: the object is missing
#include "submit.hpp"

struct point {
  int get() const { return 1; }
};
void use() { submit(&point::get); }
