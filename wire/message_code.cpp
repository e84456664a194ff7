// The messages that bring programs and shared values, and words about them.
#include <algorithm>

#include "wire/message.hpp"
#include "wire/whole.hpp"

namespace pp::wire {
namespace {

constexpr std::size_t chunk_head_size = 4 + 2 + 8 + 4 + 1 + 3;

bytes copy_of(byte_view from) { return {from.begin(), from.end()}; }

/// What is no address is refused here, so that nobody dials something else than was meant.
bool is_address(const holder& h) {
  if (h.port == 0 || (h.family != 4 && h.family != 6)) return false;
  return h.family == 6 || std::all_of(h.address.begin() + 4, h.address.end(), [](auto b) { return b == 0; });
}

}  // namespace

void encode_image(const image& m, bytes& to) {
  writer out(to);
  out.u32(m.index);
  out.raw(m.manifest);
}

result<image> decode_image(byte_view from) {
  reader in(from);
  image m;
  m.index = in.u32();
  if (!in.ok()) return malformed();
  m.manifest = copy_of(in.rest());
  return m;
}

void encode_need(const need& m, bytes& to) {
  const auto count = std::min<std::size_t>(m.modules.size(), 65535);
  writer out(to);
  out.u32(m.index);
  out.u16(static_cast<std::uint16_t>(count));
  for (std::size_t i = 0; i < count; ++i) out.u16(m.modules[i]);
}

result<need> decode_need(byte_view from) {
  reader in(from);
  need m;
  m.index = in.u32();
  const std::size_t count = in.u16();
  if (!in.ok() || in.rest().size() != count * 2) return malformed();
  m.modules.resize(count);
  for (auto& module : m.modules) module = in.u16();
  return m;
}

void encode_chunk(const chunk& m, bytes& to) {
  to.reserve(to.size() + chunk_head_size + m.data.size());
  writer out(to);
  out.u32(m.index);
  out.u16(m.module);
  out.u64(m.offset);
  out.u32(m.raw_length);
  out.u8(m.compressed ? 1 : 0);
  out.raw(std::array<std::uint8_t, 3>{});
  out.raw(m.data);
}

result<chunk> decode_chunk(byte_view from) {
  reader in(from);
  chunk m;
  m.index = in.u32();
  m.module = in.u16();
  m.offset = in.u64();
  m.raw_length = in.u32();
  const auto encoding = in.u8();
  const auto zero = in.array<3>();
  m.compressed = encoding == 1;
  m.data = in.rest();
  if (!in.ok() || encoding > 1 || zero != std::array<std::uint8_t, 3>{}) return malformed();
  if (m.raw_length > max_chunk_bytes) return malformed();
  if (!m.compressed && m.data.size() != m.raw_length) return malformed();
  return m;
}

void encode_unfit(const unfit& m, bytes& to) {
  writer out(to);
  out.u32(m.index);
  out.text(m.reason);
}

result<unfit> decode_unfit(byte_view from) {
  reader in(from);
  unfit m;
  m.index = in.u32();
  m.reason = in.text();
  return whole(in, std::move(m));
}

void encode_have(const have& m, bytes& to) { writer(to).raw(m.content); }

result<have> decode_have(byte_view from) {
  reader in(from);
  have m;
  m.content = in.array<32>();
  return whole(in, std::move(m));
}

void encode_fetch_from(const fetch_from& m, bytes& to) {
  writer out(to);
  out.raw(m.content);
  out.u16(static_cast<std::uint16_t>(m.holders.size() * holder::size));
  for (const auto& h : m.holders) {
    out.raw(h.node);
    out.u8(h.family);
    out.raw(h.address);
    out.u16(h.port);
  }
}

result<fetch_from> decode_fetch_from(byte_view from) {
  reader in(from);
  fetch_from m;
  m.content = in.array<32>();
  const std::size_t length = in.u16();
  if (!in.ok() || length == 0 || length % holder::size != 0 || length / holder::size > max_holders) return malformed();
  m.holders.resize(length / holder::size);
  for (auto& h : m.holders) {
    h.node = in.array<16>();
    h.family = in.u8();
    h.address = in.array<16>();
    h.port = in.u16();
  }
  if (!std::all_of(m.holders.begin(), m.holders.end(), is_address)) return malformed();
  return whole(in, std::move(m));
}

void encode_fetch(const fetch& m, bytes& to) {
  writer out(to);
  out.u32(m.number);
  out.raw(m.content);
}

result<fetch> decode_fetch(byte_view from) {
  reader in(from);
  fetch m;
  m.number = in.u32();
  m.content = in.array<32>();
  return whole(in, std::move(m));
}

void encode_offer(const offer& m, bytes& to) {
  writer out(to);
  out.u32(m.image);
  out.u64(m.decoder);
  out.u64(m.function);
  out.raw(as_bytes(m.functions));
}

result<offer> decode_offer(byte_view from) {
  reader in(from);
  offer m;
  m.image = in.u32();
  m.decoder = in.u64();
  m.function = in.u64();
  m.functions = as_text(in.rest());
  if (!in.ok() || m.functions.size() > offer::longest_text) return malformed();
  return m;
}

void encode_value(const value& m, bytes& to) {
  writer out(to);
  out.u32(m.index);
  out.u64(m.size);
  out.raw(m.content);
}

result<value> decode_value(byte_view from) {
  reader in(from);
  value m;
  m.index = in.u32();
  m.size = in.u64();
  m.content = in.array<32>();
  if (m.index < first_value || m.size == 0 || m.size > max_value_bytes) return malformed();
  return whole(in, std::move(m));
}

void encode_release(const release& m, bytes& to) { writer(to).u32(m.index); }

result<release> decode_release(byte_view from) {
  reader in(from);
  release m;
  m.index = in.u32();
  if (m.index < first_value) return malformed();
  return whole(in, std::move(m));
}

}  // namespace pp::wire
