// expect: pp: map calls the function with one argument, an element of the range
#include "map.hpp"

struct account {
  int take(int amount);
  template <class Archive>
  void serialize(Archive&) {}
};
void use() { map(&account::take, std::vector<account>(3)); }
