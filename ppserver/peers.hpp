// Content that nodes give to each other, so that a client need not send it to each of them.
//
// A node gives only content that came to it under the key that the asking node proves, from a client or another node; what
// merely lies in the store, or came under another key, is not there for it. What comes is checked by the store as anything
// else: a peer that lies, stalls or ends costs time and nothing else.
// Promises: at most most_given transfers out and most_fetched in at a time, each streamed in pieces and bounded in time.
// Owner: the node; end_all() ends what is given, fetches end with the sessions that asked. Threads: the I/O thread only.
// Must not know: programs, jobs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "auth/handshake.hpp"
#include "code/store.hpp"
#include "net/tls.hpp"
#include "wire/message.hpp"

namespace pp::ppserver {

/// For statistics. Bytes are those of the content, before compression.
struct peer_numbers {
  std::uint64_t fetched = 0, fetched_bytes = 0, fetches_failed = 0;
  std::uint64_t given = 0, given_bytes = 0, refused = 0;
  bool operator==(const peer_numbers&) const = default;
};

class peer_session;

class peers {
 public:
  static constexpr unsigned most_given = 4, most_fetched = 4;

  /// Everything must outlive this. Not `is_on`: gives nothing and fetches nothing.
  peers(net::executor ex, code::store& contents, const auth::keyring& keys, const auth::node_id& self, bool is_on);
  ~peers();

  bool is_on() const { return is_on_; }
  const peer_numbers& numbers() const { return numbers_; }

  /// The content is here in full and came under this key.
  void note_owner(const auth::digest& content, const auth::key_id& key);
  bool is_owner(const auth::digest& content, const auth::key_id& key) const;

  struct order {
    auth::digest content{};
    std::uint64_t size = 0;
    auth::key_id key{};  ///< of the client for whom it is; proved to the holders
    std::vector<wire::holder> from;
    code::store::place where = code::store::place::disk;
  };
  /// Asks the holders in turn. True: the content is in the store.
  net::awaitable<bool> fetch(order what);

  /// Answers a peer until it leaves. Never throws.
  net::awaitable<void> serve(std::unique_ptr<net::byte_stream> stream, auth::proved_client who, std::string address);
  /// Sends away the peers of a key that is gone; with null, all.
  void end_all(const auth::keyring* kept = nullptr);

 private:
  friend class peer_session;
  class place_in_row;
  net::awaitable<void> fetch_one(const order& what, const wire::holder& from);
  net::awaitable<std::unique_ptr<net::tls_stream>> connect(const order& what, const wire::holder& to);

  net::executor executor_;
  code::store& store_;
  const auth::keyring& keys_;
  const auth::node_id self_;
  const bool is_on_;
  net::tls_context tls_;
  std::map<auth::digest, std::set<auth::key_id>> owners_;
  std::set<peer_session*> serving_;
  peer_numbers numbers_;
  unsigned giving_ = 0, fetching_ = 0;
  net::steady_timer fetch_ended_;  ///< never fires; cancelled when a fetch ended
};

}  // namespace pp::ppserver
