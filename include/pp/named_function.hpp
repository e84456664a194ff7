// A function that some program offers by name; see pp/publish.hpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace pp {

namespace detail {
struct named_place;
}

/// As client::functions() found it. Copies are cheap.
struct named_function {
  std::string name;                ///< what it is called by
  std::string signature;           ///< "bool is_even(int)"
  std::string help;                ///< what its program says about it; may be empty
  std::vector<std::string> nodes;  ///< the names of those that can run it

  std::shared_ptr<const detail::named_place> place;  ///< for client::call()
};

}  // namespace pp
