// expect: pp: this function returns nothing, so map has no results to write
#include "map.hpp"

void print(int n);
void use() {
  int out[3];
  map(print, std::vector<int>(3), out);
}
