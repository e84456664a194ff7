#include "code/pieces.hpp"

#include <zstd.h>

namespace pp::code {
namespace {

constexpr int compression_level = 1;

}  // namespace

piece_packer::piece_packer() : packed_(ZSTD_compressBound(most_bytes)) {}

wire::chunk piece_packer::pack(std::uint32_t index, std::uint16_t module, std::uint64_t offset, byte_view raw) {
  const std::size_t got = ZSTD_compress(packed_.data(), packed_.size(), raw.data(), raw.size(), compression_level);
  wire::chunk piece{index, module, offset, static_cast<std::uint32_t>(raw.size()), false, raw};
  if (ZSTD_isError(got) != 0 || got >= raw.size()) return piece;
  piece.compressed = true;
  piece.data = byte_view(packed_).first(got);
  return piece;
}

std::optional<byte_view> piece_unpacker::unpack(const wire::chunk& m) {
  if (m.raw_length > wire::max_chunk_bytes) return std::nullopt;
  if (!m.compressed) return m.data.size() == m.raw_length ? std::optional(m.data) : std::nullopt;
  unpacked_.resize(m.raw_length);
  const auto got = ZSTD_decompress(unpacked_.data(), unpacked_.size(), m.data.data(), m.data.size());
  if (ZSTD_isError(got) != 0 || got != m.raw_length) return std::nullopt;
  return unpacked_;
}

}  // namespace pp::code
