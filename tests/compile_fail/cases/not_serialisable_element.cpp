// expect: pp: the type of this parameter cannot travel
#include "submit.hpp"

struct plain {
  int x = 0;
};
int count(const std::map<int, std::vector<plain>>& all);
void use() { submit(count, std::map<int, std::vector<plain>>()); }
