// The lines of a keyring, as text and taken apart.
//
//   ppk1 <name> <roles> <created> <expires|-> <base64url of 32 bytes>
//   pass:<passphrase>                                                      stretched by scrypt each time it is read
//   <the 56 characters of `ppserver key export`>
//   # a comment
//
// Promises: pure but for new_key_line. A broken line, an unknown column, a key that stands there twice: the whole text
// is refused with one line that names the line and never its content.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/keyring.hpp"
#include "auth/secret.hpp"

namespace pp::auth {

struct key_line {
  std::string name;
  std::string roles = "all";
  std::string created;   ///< YYYY-MM-DD, or empty if it is not known
  secret raw;            ///< raw_key_size bytes
  std::string weakness;  ///< of a passphrase that was let through; empty if there is none
};

inline constexpr std::size_t max_key_name = 64;
inline constexpr std::size_t max_passphrase_lines = 4;  ///< each costs half a second

/// Throws pp::error(refused): "<origin> line 3: …".
std::vector<key_line> parse_key_lines(std::string_view text, const std::string& origin, bool allow_weak);
/// One ppk1 line with its line feed.
secret to_ppk1_line(const key_line& line);
/// A fresh key, made today; an empty name stands for the user's.
key_line new_key_line(std::string name);
/// Letters, digits and ._@- , 1 to 64.
bool is_key_name(std::string_view name);

keyring make_keyring(const std::vector<key_line>& lines);

}  // namespace pp::auth
