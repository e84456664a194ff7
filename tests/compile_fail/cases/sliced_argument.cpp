// expect: pp: this argument would lose its derived part
#include "submit.hpp"

struct shape {
  int tag = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(tag);
  }
};
struct square : shape {};
int tag_of(const shape& s);
void use() { submit(tag_of, square()); }
