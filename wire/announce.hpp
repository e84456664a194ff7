// The discovery datagram, always 256 bytes: 224 of content, here, and 32 of HMAC, added by auth/datagram.
//
//   0 "PPD1" · 4 u8 type (1 ANNOUNCE 2 QUERY 3 REPLY 4 GOODBYE) · 5 u8 flags (bit 0 draining) · 6 u16 length = 256 ·
//   8 key_id[8] · 16 node_id[16] (QUERY: client id) · 32 boot_id[16] · 48 u64 seq · 56 i64 unix_ms ·
//   64 nonce[16] (QUERY fresh, REPLY echo, else 0) · 80 u16 tcp_port · 82 u8 proto_min · 83 u8 proto_max · 84 u16 slots ·
//   86 u16 free · 88 u32 load_milli · 92 u32 mem_free_mib · 96 u64 features · 104 u8 addr_count ≤ 4 · 105 u8 name_len ≤ 30 ·
//   106 name[30] · 136 4 × (u8 family, addr[16]) · 204 zero[20] · 224 HMAC-SHA256
//
// family 4 = IPv4 in the first 4 of 16 bytes, 6 = IPv6, 0 = unused, all zero. Big-endian.
// Promises: one announce has one encoding, and decode_announce accepts nothing else: unused bytes must be zero.
// Must not know: keys, sockets, time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pp::wire {

inline constexpr std::string_view datagram_magic = "PPD1";
inline constexpr std::size_t datagram_size = 256;
/// Everything in front of the HMAC.
inline constexpr std::size_t datagram_content_size = 224;
inline constexpr std::size_t datagram_key_id_offset = 8;
inline constexpr std::size_t max_announce_addresses = 4;
inline constexpr std::size_t max_announce_name = 30;

enum class announce_type : std::uint8_t { announce = 1, query = 2, reply = 3, goodbye = 4 };

struct announce {
  struct address {
    std::uint8_t family = 4;               ///< 4 or 6
    std::array<std::uint8_t, 16> bytes{};  ///< IPv4 in the first 4
    bool operator==(const address&) const = default;
  };

  announce_type type = announce_type::announce;
  bool draining = false;
  std::array<std::uint8_t, 8> key_id{};
  std::array<std::uint8_t, 16> node_id{};
  std::array<std::uint8_t, 16> boot_id{};
  std::uint64_t seq = 0;
  std::int64_t unix_ms = 0;
  std::array<std::uint8_t, 16> nonce{};
  std::uint16_t tcp_port = 0;
  std::uint8_t proto_min = 0;
  std::uint8_t proto_max = 0;
  std::uint16_t slots = 0;
  std::uint16_t free = 0;
  std::uint32_t load_milli = 0;
  std::uint32_t mem_free_mib = 0;
  std::uint64_t features = 0;
  std::string name;                ///< cut at 30 bytes
  std::vector<address> addresses;  ///< the first 4 are sent
  bool operator==(const announce&) const = default;
};

/// datagram_content_size bytes.
bytes encode_announce(const announce& m);
/// True if magic and type are those of a discovery datagram: all that may be looked at before the HMAC.
bool is_announce(byte_view from);
/// Takes exactly datagram_content_size bytes. Call it after the HMAC was verified, never before.
result<announce> decode_announce(byte_view content);

}  // namespace pp::wire
