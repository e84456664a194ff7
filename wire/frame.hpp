// The 16-byte header in front of every message after the login, on TCP and on worker pipes.
//
//   0  u32 length    bytes of payload after the header; the limit is checked before anything is allocated
//   4  u8  type      message_type
//   5  u8  flags     bit 0: more frames of this message follow (all frames of a message carry the same type and job)
//                    bit 1: sized; on the first frame of every message of several frames and on no other: its payload begins
//                    with u64, the bytes of the whole message (not counting these 8), so that its receiver can place it at once
//   6  u16 attempt   of the job, 1 for the first; 0 on channel messages
//   8  u64 job       0 = the message is about the channel itself
//
// Frames of different messages may alternate; frames of one (type, job) may not. A message that ends short of its size or goes
// beyond it is malformed. Big-endian.
// Must not know: sockets, keys, time.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pp::wire {

/// Pinned: a number is never used again for something else.
enum class message_type : std::uint8_t {
  welcome = 1,
  credit = 2,
  image = 3,
  need = 4,
  chunk = 5,
  unfit = 6,
  submit = 7,
  result = 8,
  cancel = 9,
  ping = 10,
  pong = 11,
  goodbye = 12,
  unsupported = 13,
  stats_query = 14,
  stats = 15,
  ready = 16,  // worker pipes only
  drain = 17,
  lent = 24,
  check_in = 25,
  have = 26,
  fetch_from = 27,
  fetch = 28,
  resources = 29,
  offer = 32,
  functions_query = 33,
  functions = 34,
  value = 35,
  release = 36,
};

inline constexpr std::size_t frame_header_size = 16;
inline constexpr std::uint8_t flag_more = 1;
inline constexpr std::uint8_t flag_sized = 2;
/// What stands before the bytes of a sized frame.
inline constexpr std::size_t message_size_bytes = 8;

/// The longest payload of one frame; longer messages are cut, so that a heartbeat never waits behind a gigabyte.
inline constexpr std::uint32_t max_frame_payload = 256 * 1024;
/// The longest message, all frames together (argument or result of one job, with its fixed fields).
inline constexpr std::uint64_t max_message_bytes = (1ULL << 30U) + 64 * 1024;

struct frame_header {
  std::uint32_t length = 0;
  message_type type = message_type::unsupported;
  std::uint8_t flags = 0;
  std::uint16_t attempt = 0;
  std::uint64_t job = 0;

  bool has_more() const { return (flags & flag_more) != 0; }
  bool is_sized() const { return (flags & flag_sized) != 0; }
  bool operator==(const frame_header&) const = default;
};

/// Writes exactly frame_header_size bytes.
void encode_frame_header(const frame_header& header, std::uint8_t* to);

/// Reads frame_header_size bytes. Fails if `length` is above `limit`, if a reserved flag is set, or if a sized frame is the last
/// of its message or too short for the size; an unknown type is not a failure: its receiver answers `unsupported` and keeps the
/// channel.
result<frame_header> decode_frame_header(const std::uint8_t* from, std::uint32_t limit = max_frame_payload);

/// The bytes of the whole message, from the beginning of the payload of its first frame `head`. Fails if the frame is not sized,
/// or the size is above max_message_bytes or no more than what is in this frame.
result<std::uint64_t> decode_message_size(const frame_header& head, const std::uint8_t* payload);
/// Requires: `head` of the first frame of several, without its flags. Writes header and size; gives how many bytes that were.
/// `part` bytes of the message follow in this frame.
std::size_t encode_first_of_several(frame_header head, std::size_t part, std::uint64_t whole, std::uint8_t* to);

}  // namespace pp::wire
