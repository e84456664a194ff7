#include "ppserver/peers.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "ppserver/peer_session.hpp"

namespace pp::ppserver {
namespace {

/// So many names are kept before those are dropped whose content is gone.
constexpr std::size_t many_owners = 4096;

}  // namespace

peers::peers(net::executor ex, code::store& contents, const auth::keyring& keys, const auth::node_id& self, bool is_on)
    : executor_(ex),
      store_(contents),
      keys_(keys),
      self_(self),
      is_on_(is_on),
      tls_(net::tls_context::client()),
      fetch_ended_(ex, net::steady_timer::time_point::max()) {}

peers::~peers() { PP_CHECK(serving_.empty()); }

void peers::note_owner(const auth::digest& content, const auth::key_id& key) {
  if (!is_on_) return;
  if (owners_.size() >= many_owners) {
    std::erase_if(owners_, [this](const auto& known) { return !store_.knows(known.first); });
  }
  // Beyond that it is only not given to others.
  if (owners_.size() < 2 * many_owners) owners_[content].insert(key);
}

bool peers::is_owner(const auth::digest& content, const auth::key_id& key) const {
  const auto known = owners_.find(content);
  return known != owners_.end() && known->second.contains(key);
}

net::awaitable<void> peers::serve(std::unique_ptr<net::byte_stream> stream, auth::proved_client who,
                                  std::string address) {
  peer_session guest(*this, std::move(stream), std::move(who), std::move(address));
  serving_.insert(&guest);
  co_await guest.run();
  serving_.erase(&guest);
}

void peers::end_all(const auth::keyring* kept) {
  for (auto* const guest : serving_) {
    if (kept == nullptr || kept->find(guest->key()) == nullptr) guest->end();
  }
}

}  // namespace pp::ppserver
