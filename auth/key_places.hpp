// Where keys lie on this machine, for whoever must keep others from them.
//
// Promises: looks at names and the environment only, at no key. Must not know: what keeps others from a path.
#pragma once

#include <string>
#include <vector>

namespace pp::auth {

/// Files and directories that hold keys, as absolute paths: where `origin` (loaded_keyring::origin) lies if that is a
/// file, and the usual places. A keyring in a directory called "pp" stands for the whole directory, any other for
/// itself, because it may lie among the data of its user.
std::vector<std::string> places_of_keys(const std::string& origin);

}  // namespace pp::auth
