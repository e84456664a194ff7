// expect: pp: the type of this parameter cannot travel
#include "submit.hpp"

struct plain {
  int x = 0;
};
int get(plain p);
void use() { submit(get, plain()); }
