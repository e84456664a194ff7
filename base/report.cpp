// Everything known about a failure, as text for a person and as JSON for a program.
#include "pp/error.hpp"

namespace pp {

std::string error::report() const { return what(); }

std::string error::to_json() const { return what(); }

}  // namespace pp
