#include "map.hpp"

#include <iterator>
#include <list>
#include <span>
#include <string>

struct point {
  int x = 0;
  int twice() const { return 2 * x; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(x);
  }
};
int add_one(int n);
void print(const std::string& text);

void use() {
  std::vector<int> numbers(3);
  const std::vector<int> results = map(add_one, numbers);
  map(print, std::list<const char*>{"a", "b"});
  map([](auto n) { return n / 2; }, std::list<int>{1, 2});
  map(&point::x, std::vector<point>(2));
  map(&point::twice, std::vector<point>(2));
  map(add_one, numbers, std::span<int>(numbers));
  std::list<long> list;
  map(add_one, numbers, std::back_inserter(list));
}
