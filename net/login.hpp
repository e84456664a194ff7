// Carries the five login messages over a TLS stream: the shell around auth/handshake.
//
// Promises: until both proofs are verified, no byte from the peer reaches anything but the fixed-size login parser. Every
// wait is bounded by the deadlines given. Must not know: what happens after login.
#pragma once

#include "auth/handshake.hpp"
#include "net/tls.hpp"

namespace pp::net {

/// Client side. Throws pp::error: refused, version_mismatch, overloaded, shutting_down, or system_error for I/O.
awaitable<auth::proved_node> log_in(tls_stream& stream, const auth::keyring& keys,
                                    const auth::client_handshake::parameters& p);

/// What a node decided about a client.
struct admitted_client {
  bool proved = false;
  auth::proved_client who;
  std::string reason;  ///< for our log, if not proved
};
/// Node side. On failure the answer is delayed by `failure_delay`, then the caller closes. Throws system_error for I/O.
awaitable<admitted_client> admit(tls_stream& stream, const auth::keyring& keys,
                                 const auth::server_handshake::parameters& p, duration failure_delay);

}  // namespace pp::net
