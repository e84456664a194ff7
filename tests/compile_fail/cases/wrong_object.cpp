// expect: pp: this member does not belong to the object
#include "submit.hpp"

struct point {
  int get() const { return 1; }
};
void use() { submit(&point::get, 5); }
