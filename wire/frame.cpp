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
  if (header.length > limit || (header.flags & ~flag_more) != 0) return malformed();
  return header;
}

}  // namespace pp::wire
