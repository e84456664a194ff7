// expect: pp: the third argument of map must be map_options, or where the results go
#include "map.hpp"

int add_one(int n);
void use() {
  std::vector<std::vector<int>> out(3);
  map(add_one, std::vector<int>(3), out);
}
