// What clients of this node offer by name, for clients that do not have their programs.
//
// An offer lasts as long as the session that made it, and is seen only by clients that proved the same key. It is listed while
// its program is here in full.
// Promises: what is kept for a session is at most wire::offer::longest_text; what is listed at most longest_list.
// Owner: the node. Threads: the I/O thread only. Must not know: sessions, programs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "auth/keyring.hpp"
#include "base/bytes.hpp"

namespace pp::ppserver {

class offers {
 public:
  static constexpr std::size_t longest_list = 8U << 20U;
  static constexpr std::size_t most_functions = 1000, longest_name = 255;

  struct offer {
    auth::key_id key{};
    std::uint64_t decoder = 0, function = 0;
    std::string functions;                   ///< as checked() gave it
    std::function<const bytes*()> manifest;  ///< null while the program is not here in full
  };

  /// The array in one line, or nullopt if it is not what docs/protocol.md says of OFFER.
  static std::optional<std::string> checked(std::string_view functions);

  /// Replaces what the session offered before.
  void set(std::uint64_t session, offer what) { offers_[session] = std::move(what); }
  void end(std::uint64_t session) { offers_.erase(session); }
  /// The JSON text of FUNCTIONS. The same offer of several clients is one.
  std::string list(const auth::key_id& key) const;

 private:
  std::map<std::uint64_t, offer> offers_;
};

}  // namespace pp::ppserver
