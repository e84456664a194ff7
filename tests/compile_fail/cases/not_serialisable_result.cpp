// expect: pp: the result type of this job cannot travel
#include "submit.hpp"

struct plain {
  int x = 0;
};
plain make(int x);
void use() { submit(make, 1); }
