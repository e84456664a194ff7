#include "wire/frame.hpp"

namespace pp::wire {

void encode_frame_header(const frame_header& header, std::uint8_t* to) {
  store_big_endian(to, header.length);
  to[4] = static_cast<std::uint8_t>(header.type);
  to[5] = header.flags;
  store_big_endian(to + 6, header.attempt);
  store_big_endian(to + 8, header.job);
}

result<frame_header> decode_frame_header(const std::uint8_t* from, std::uint32_t limit) {
  frame_header header;
  header.length = load_big_endian<std::uint32_t>(from);
  header.type = static_cast<message_type>(from[4]);
  header.flags = from[5];
  header.attempt = load_big_endian<std::uint16_t>(from + 6);
  header.job = load_big_endian<std::uint64_t>(from + 8);
  if (header.length > limit || (header.flags & ~(flag_more | flag_sized)) != 0) return malformed();
  if (header.is_sized() && (!header.has_more() || header.length < message_size_bytes)) return malformed();
  return header;
}

result<std::uint64_t> decode_message_size(const frame_header& head, const std::uint8_t* payload) {
  if (!head.is_sized()) return malformed();
  const auto whole = load_big_endian<std::uint64_t>(payload);
  if (whole > max_message_bytes || whole <= head.length - message_size_bytes) return malformed();
  return whole;
}

std::size_t encode_first_of_several(frame_header head, std::size_t part, std::uint64_t whole, std::uint8_t* to) {
  head.length = static_cast<std::uint32_t>(message_size_bytes + part);
  head.flags = flag_more | flag_sized;
  encode_frame_header(head, to);
  store_big_endian(to + frame_header_size, whole);
  return frame_header_size + message_size_bytes;
}

}  // namespace pp::wire
