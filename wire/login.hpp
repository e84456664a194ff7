// The five fixed-size messages allowed before a peer is proved.
//
//   header  0 "PPA1" · 4 u8 type · 5 u8 zero · 6 u16 length of the body
//   1 CLIENT_HELLO  body 96   0 u8 proto_min · 1 u8 proto_max · 2 u8 role (1 to 5) · 3 u8 channel (1) · 4 u32 flags (0) ·
//                             8 key_id[8] · 16 client_id[16] · 32 client_nonce[32] · 64 expected_node[16] (0 = any) ·
//                             80 u64 features · 88 u64 zero
//   2 SERVER_HELLO  body 96   0 u8 proto · 1 u8 role · 2 u8 channel (1) · 3 u8 zero · 4 u32 flags (0) · 8 key_id[8] ·
//                             16 node_id[16] · 32 server_nonce[32] · 64 boot_id[16] · 80 u64 features · 88 u64 max_frame
//   3 CLIENT_PROOF  body 32   HMAC-SHA256
//   4 SERVER_PROOF  body 32   HMAC-SHA256
//   5 AUTH_FAIL     body 4    0 u16 code · 2 u16 detail (code 2: min << 8 | max, else 0)
//
// Promises: every message has one length, so a reader asks login_size() and needs no arithmetic; decode_x refuses a
// wrong magic, type, length, enumeration value, or a reserved byte that is not zero. `flags` are bits that the receiver
// must understand (none exist), `features` bits that it may ignore. Big-endian.
// Must not know: keys, sockets, time.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pp::wire {

enum class login_type : std::uint8_t {
  client_hello = 1,
  server_hello = 2,
  client_proof = 3,
  server_proof = 4,
  auth_fail = 5
};

/// Why a node ends a login. Everything about keys is `authentication`, so that a stranger cannot tell the cases apart.
enum class login_refusal : std::uint16_t { authentication = 1, version = 2, busy = 3, draining = 4 };

inline constexpr std::string_view login_magic = "PPA1";
inline constexpr std::size_t login_header_size = 8;
inline constexpr std::size_t login_hello_size = login_header_size + 96;
inline constexpr std::size_t login_proof_size = login_header_size + 32;
inline constexpr std::size_t login_fail_size = login_header_size + 4;
/// The one channel binding there is: tls-exporter, RFC 9266.
inline constexpr std::uint8_t channel_tls_exporter = 1;
inline constexpr std::uint8_t role_max = 5;
/// SERVER_HELLO: the node tells what it HAS, and takes FETCH_FROM.
inline constexpr std::uint64_t feature_peer_transfer = 1;

/// Bytes of the whole message, header included.
constexpr std::size_t login_size(login_type type) {
  switch (type) {
    case login_type::client_hello:
    case login_type::server_hello: return login_hello_size;
    case login_type::client_proof:
    case login_type::server_proof: return login_proof_size;
    case login_type::auth_fail: break;
  }
  return login_fail_size;
}

struct client_hello {
  std::uint8_t proto_min = 0;
  std::uint8_t proto_max = 0;
  std::uint8_t role = 0;
  std::array<std::uint8_t, 8> key_id{};
  std::array<std::uint8_t, 16> client_id{};
  std::array<std::uint8_t, 32> nonce{};
  std::array<std::uint8_t, 16> expected_node{};
  std::uint64_t features = 0;
  bool operator==(const client_hello&) const = default;
};
struct server_hello {
  std::uint8_t proto = 0;
  std::uint8_t role = 0;
  std::array<std::uint8_t, 8> key_id{};
  std::array<std::uint8_t, 16> node_id{};
  std::array<std::uint8_t, 32> nonce{};
  std::array<std::uint8_t, 16> boot_id{};
  std::uint64_t features = 0;
  std::uint64_t max_frame = 0;
  bool operator==(const server_hello&) const = default;
};
using proof = std::array<std::uint8_t, 32>;
struct auth_fail {
  login_refusal code = login_refusal::authentication;
  std::uint16_t detail = 0;
  bool operator==(const auth_fail&) const = default;
};
/// The two bytes of a CLIENT_HELLO that every version of this protocol can read.
struct version_range {
  std::uint8_t min = 0;
  std::uint8_t max = 0;
  bool operator==(const version_range&) const = default;
};

// encode_x gives the whole message, header included; decode_x takes exactly that.
bytes encode_client_hello(const client_hello& m);
bytes encode_server_hello(const server_hello& m);
/// `type` is client_proof or server_proof.
bytes encode_proof(login_type type, const proof& m);
bytes encode_auth_fail(const auth_fail& m);

/// Reads the first login_header_size bytes of any login message: its type, if the length fits it.
result<login_type> decode_login_header(byte_view from);
/// Reads nothing but the versions, so that a newer client can be told which versions there are here.
result<version_range> decode_client_versions(byte_view from);
result<client_hello> decode_client_hello(byte_view from);
result<server_hello> decode_server_hello(byte_view from);
result<proof> decode_proof(login_type type, byte_view from);
result<auth_fail> decode_auth_fail(byte_view from);

}  // namespace pp::wire
