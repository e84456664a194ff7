// Content cut into CHUNKs: packed by who has it, unpacked by who needs it.
//
// Promises: a piece fits one frame, also where compression does not help; nothing is unpacked beyond the length that its
// CHUNK announced, and that is bounded. Must not know: where the content lies, who gets it.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "wire/message.hpp"

namespace pp::code {

class piece_packer {
 public:
  static constexpr std::size_t most_bytes = 192 * 1024;

  piece_packer();
  /// Compressed if that makes it shorter. Refers to `raw` or to memory of this, until the next call.
  wire::chunk pack(std::uint32_t index, std::uint16_t module, std::uint64_t offset, byte_view raw);

 private:
  bytes packed_;
};

class piece_unpacker {
 public:
  /// Nothing if the bytes are not what the CHUNK says. Refers to the CHUNK's bytes or to memory of this, until the next
  /// call.
  std::optional<byte_view> unpack(const wire::chunk& m);

 private:
  bytes unpacked_;
};

}  // namespace pp::code
