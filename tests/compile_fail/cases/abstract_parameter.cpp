// expect: pp: an abstract class cannot travel by reference
#include "submit.hpp"

struct shape {
  virtual ~shape() = default;
  virtual int corners() const = 0;
};
struct square : shape {
  int corners() const override { return 4; }
};
int count(const shape& s);
void use() { submit(count, square()); }
