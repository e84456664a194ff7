// The key file: who may do what until when, and every reason to refuse the file. There is no default key.
//
// One line per key, `#` comments:  ppk1 <name> <roles> <created> <expires|-> <base64url of 32 bytes>
// The first line proves, all lines verify (that is rotation). In this release every key has all roles (`all`, or the
// full list) and `expires` must be `-`. A broken line, an unknown column or a double key id refuses the whole file.
//
// Promises: raw keys are erased as soon as the derived ones exist; nothing here can be printed.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "auth/crypto.hpp"
#include "auth/secret.hpp"

namespace pp::auth {

using key_id = std::array<std::uint8_t, 8>;

/// The wire numbers of docs/protocol.md.
enum class role : std::uint8_t { submit = 1, observe = 2, admin = 3, pair = 4, peer = 5 };

/// The keys derived from one secret (docs/protocol.md, key schedule). Movable only.
class key {
 public:
  /// `raw` is 32 bytes and may be erased afterwards.
  key(std::string name, const secret& raw);

  const std::string& name() const { return name_; }
  const key_id& id() const { return id_; }
  std::string id_text() const { return to_hex(id_); }
  byte_view discovery() const { return discovery_.view(); }
  byte_view client(role r) const { return client_[static_cast<std::size_t>(r) - 1].view(); }
  byte_view server(role r) const { return server_[static_cast<std::size_t>(r) - 1].view(); }

 private:
  std::string name_;
  key_id id_{};
  secret discovery_;
  std::array<secret, 5> client_, server_;
};

class keyring {
 public:
  keyring() = default;
  explicit keyring(std::vector<key> keys);

  bool empty() const { return keys_.empty(); }
  const std::vector<key>& keys() const { return keys_; }
  /// Requires: !empty().
  const key& proving() const { return keys_.front(); }
  /// Null if no line has this id.
  const key* find(const key_id& id) const;

 private:
  std::vector<key> keys_;
};

/// Where to look for keys. What is given here comes first, then $PP_SECRET_FILE, $PP_SECRET (taken out of the
/// environment at once), $CREDENTIALS_DIRECTORY/pp-keyring, default_keyring_path(), /etc/pp/keyring. One that is named
/// and missing, empty, malformed or open to others is an error, never a reason to try the next.
struct key_source {
  std::optional<std::string> file;           ///< --secret-file: PATH, "-" or "fd:N"
  std::optional<std::string> inline_secret;  ///< -s VALUE; discouraged
  bool allow_weak = false;
  bool create_if_missing = false;  ///< only ppserver: make the user's keyring on first run
  bool absent_is_empty = false;    ///< no keyring anywhere gives an empty one: for a client that may run jobs locally
};

/// What was loaded, and from where ("/home/a/.config/pp/keyring").
struct loaded_keyring {
  keyring keys;
  std::string origin;
  bool created = false;
  bool weak = false;  ///< only with allow_weak: the caller must bind loopback alone
};

/// Throws pp::error(errc::refused) with one clear line that says which file, what is wrong and what to do.
loaded_keyring load_keyring(const key_source& from);

/// The keyring a user gets when nothing else is named: $XDG_CONFIG_HOME/pp/keyring or ~/.config/pp/keyring.
std::filesystem::path default_keyring_path();

}  // namespace pp::auth
