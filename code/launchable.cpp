#include "code/launchable.hpp"

#include <unistd.h>

namespace pp::code {

launchable::~launchable() {
  if (program >= 0) ::close(program);
}

}  // namespace pp::code
