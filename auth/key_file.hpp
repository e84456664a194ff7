// Keyring files on disk: read only if nobody else could have read or written them, created so that nobody ever can.
//
// Promises: every check is made on the opened descriptor and on the opened directory it lies in, so nothing can be
// swapped between a check and a use. A file appears whole and with mode 0600 or not at all. Contents live in `secret`
// only.
// Must not know: what the lines mean.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "auth/secret.hpp"
#include "pp/error.hpp"

namespace pp::auth {

inline constexpr std::size_t max_key_file = 64 * 1024;

/// The file cannot be written where it should be; `what()` says why.
class unwritable_key_file : public error {
 public:
  explicit unwritable_key_file(const std::string& text) : error(errc::refused, text) {}
};

enum class key_file_kind {
  own,         ///< nobody but its owner may read it
  credential,  ///< made by systemd: root's, and group-readable where an access list lets the service's user in
};

/// The whole content; empty if there is no such file. Throws pp::error(refused) in one line that says what to do.
std::optional<secret> read_key_file(const std::filesystem::path& path, key_file_kind kind = key_file_kind::own);
/// Reads to the end and closes. `name` is for messages ("standard input", "fd:3").
secret read_key_descriptor(int descriptor, const std::string& name);

/// Makes the file, and missing directories with mode 0700. False if it exists already. Throws unwritable_key_file.
bool create_key_file(const std::filesystem::path& path, byte_view content);
/// The same, in place of the file that is there.
void replace_key_file(const std::filesystem::path& path, byte_view content);

}  // namespace pp::auth
