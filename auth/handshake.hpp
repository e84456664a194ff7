// Both sides of the mutual proof as state machines: bytes in, bytes out.
//
//   client                                   node
//   CLIENT_HELLO  ─────────────────────────►
//                 ◄─────────────────────────  SERVER_HELLO
//   CLIENT_PROOF  ─────────────────────────►  verify; unknown key: a random dummy key, so that both look alike
//                 ◄─────────────────────────  SERVER_PROOF, or AUTH_FAIL 300 ms later
//
// Promises: no clock, no random numbers, no sockets: nonces and the channel binding are parameters. Every message has
// one fixed size, so the caller reads exactly wire::login_size(type) bytes. One try: after a failure every further step
// fails.
// Must not know: that frames carry jobs.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "auth/keyring.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/login.hpp"

namespace pp::auth {

using node_id = std::array<std::uint8_t, 16>;
using nonce = std::array<std::uint8_t, 32>;
using channel_binding = std::array<std::uint8_t, 32>;

/// What the client knows about the node after both proofs.
struct proved_node {
  node_id id{};
  std::array<std::uint8_t, 16> boot_id{};
  std::uint8_t protocol = 0;
  std::uint64_t features = 0;
  std::uint64_t max_frame = 0;
};
/// What the node knows about the client after both proofs.
struct proved_client {
  std::array<std::uint8_t, 16> id{};
  key_id with{};  ///< the key that was proved; workers are never shared between keys
  std::string key_name;
  role as = role::submit;
  std::uint64_t features = 0;
};

class client_handshake {
 public:
  struct parameters {
    std::array<std::uint8_t, 16> client_id{};
    role as = role::submit;
    node_id expected_node{};  ///< all zero = any
    nonce fresh{};
    std::uint64_t features = 0;
    const key* with = nullptr;  ///< of `keys`; null = the one it proves itself with
  };
  /// `keys` must outlive this and not be empty.
  client_handshake(const keyring& keys, const parameters& p);

  /// The whole CLIENT_HELLO.
  const bytes& hello() const { return hello_; }
  /// Takes a whole SERVER_HELLO or AUTH_FAIL, gives the whole CLIENT_PROOF.
  result<bytes> on_server_hello(byte_view message, const channel_binding& cb);
  /// Takes a whole SERVER_PROOF or AUTH_FAIL.
  result<proved_node> on_server_proof(byte_view message);
  /// After a failure: one line in words for the log and the user, e.g. "the node does not hold key 0a84…".
  const std::string& reason() const { return reason_; }

 private:
  std::error_code fail(errc code, std::string reason);
  std::error_code on_refusal(byte_view message);

  enum class stage { hello_made, proof_sent, over };
  const key& key_;
  parameters parameters_;
  bytes hello_;
  wire::proof expected_proof_{};
  stage stage_ = stage::hello_made;
  proved_node node_;
  std::string reason_;
};

class server_handshake {
 public:
  struct parameters {
    node_id id{};
    std::array<std::uint8_t, 16> boot_id{};
    nonce fresh{};
    secret* dummy_key = nullptr;  ///< 32 random bytes made once per boot, for unknown key ids; must not be null
    std::uint64_t features = 0;
    std::uint64_t max_frame = 0;
    bool draining = false;  ///< told only to a client that has proved itself
  };
  /// `keys` must outlive this; what it holds may change between two steps.
  server_handshake(const keyring& keys, const parameters& p);

  struct step {
    bytes send;           ///< whole message, to be written now (or after the constant delay if `failed`)
    bool failed = false;  ///< write `send` 300 ms after the bytes arrived, then close
  };
  /// Takes a whole CLIENT_HELLO. A failed step here is a version or form problem; send may be empty: just close.
  step on_client_hello(byte_view message);
  /// Takes a whole CLIENT_PROOF.
  step on_client_proof(byte_view message, const channel_binding& cb);
  /// After a step that did not fail: who it is.
  const proved_client& client() const { return client_; }
  /// For our own log only; the peer never learns it ("unknown key 0a84…", "wrong proof", …).
  const std::string& reason() const { return reason_; }

 private:
  step refuse(wire::auth_fail answer, std::string reason);
  step drop(std::string reason);
  bytes answer_to(const wire::client_hello& hello) const;

  enum class stage { awaiting_hello, awaiting_proof, over };
  const keyring& keys_;
  parameters parameters_;
  stage stage_ = stage::awaiting_hello;
  digest transcript_{};
  proved_client client_;
  std::string reason_;
};

// The sums of docs/protocol.md, for both sides and for tests.
digest login_transcript(byte_view client_hello, byte_view server_hello);
wire::proof client_proof(byte_view client_key, const channel_binding& cb, const digest& transcript);
wire::proof server_proof(byte_view server_key, const channel_binding& cb, const digest& transcript,
                         const wire::proof& of_client);

}  // namespace pp::auth
