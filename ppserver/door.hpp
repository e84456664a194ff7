// Lets in who proves to hold a key, and bounds what everybody else may cost.
//
// A connection is a stranger until its proof is verified: it gets no byte that depends on the key, no TLS state before it sent a
// first byte that looks like TLS, and three absolute deadlines from accept (docs/security.md).
// Promises: a stranger is told nothing but AUTH_FAIL; our log tells why, one line per source and 10 seconds.
// Threads: the I/O thread only. Must not know: jobs, sessions.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "auth/admission.hpp"
#include "auth/handshake.hpp"
#include "net/tls.hpp"

namespace pp::ppserver {

class door {
 public:
  struct identity {
    auth::node_id node{};
    std::array<std::uint8_t, 16> boot{};
    std::uint64_t features = 0;  ///< as SERVER_HELLO tells them
  };
  struct guest {
    std::unique_ptr<net::tls_stream> stream;
    auth::proved_client who;
    std::string address;
    auth::admission::ticket ticket = 0;  ///< for on_left()
  };

  /// `keys` must outlive this. Its content may be replaced while a login is under way if the old keys are kept for as long as
  /// has_strangers().
  door(const identity& self, const auth::keyring& keys, const auth::admission::limits& l);

  /// From accept to proof. Empty if the stranger was turned away or went away. Never throws.
  net::awaitable<std::optional<guest>> admit(net::tcp::socket socket);
  /// The session of a guest ended.
  void on_left(auth::admission::ticket t) { admission_.on_closed(t, now()); }

  /// Sends all strangers away; who comes from here on is told that the node is going away.
  void close();
  bool has_strangers() const { return !strangers_.empty(); }
  std::uint64_t refused() const { return refused_; }

 private:
  struct visit;
  net::awaitable<void> prove(net::tcp::socket socket, visit& v);
  void drop(auth::admission::ticket t);
  void log_refusal(const visit& v);

  identity self_;
  const auth::keyring& keys_;
  auth::admission admission_;
  net::tls_context tls_;
  auth::secret dummy_key_;  ///< stands in for keys we do not hold, so that both cases look alike
  bool draining_ = false;
  std::uint64_t refused_ = 0;
  std::map<auth::admission::ticket, std::function<void()>> strangers_;  ///< each with what closes it
};

}  // namespace pp::ppserver
