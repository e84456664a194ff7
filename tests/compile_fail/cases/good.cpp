#include "submit.hpp"

#include <string>
#include <vector>

struct point {
  int x = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(x);
  }
};
std::vector<point> shift(const std::vector<point>& all, int by);

void use() {
  submit(shift, std::vector<point>(3), 1);
  submit([](auto a, const auto& b) { return a + b; }, 1, 2);
  submit([](std::string s) { return s; }, "text");
  submit(&point::x, point());
}
