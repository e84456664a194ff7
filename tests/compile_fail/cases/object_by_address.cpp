// expect: pp: a pointer cannot travel
#include "submit.hpp"

struct point {
  int x = 0;
  int get() const { return x; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(x);
  }
};
void use(point& p) { submit(&point::get, &p); }
