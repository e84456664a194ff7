#include "wire/message.hpp"

#include <algorithm>

namespace pp::wire {
namespace {

constexpr std::size_t chunk_head_size = 4 + 2 + 8 + 4 + 1 + 3;
constexpr std::size_t output_head_size = 4 + 4 + 8 + 8;

/// The end of every decoder of a message that has one: all was there, and nothing is left over.
template <class T>
result<T> whole(const reader& in, T&& m) {
  if (!in.finished()) return malformed();
  return std::forward<T>(m);
}

bytes copy_of(byte_view from) { return {from.begin(), from.end()}; }

}  // namespace

void encode_welcome(const welcome& m, bytes& to) {
  writer out(to);
  out.u16(m.slots);
  out.u32(m.credit);
  out.u32(m.heartbeat_ms);
  out.u32(m.dead_ms);
  out.u64(m.longest_message);
  out.u16(m.machine);
  out.u8(m.isa_level);
  out.u8(0);
  for (const auto* text : {&m.name, &m.version, &m.os, &m.glibc, &m.glibcxx, &m.cxxabi}) out.text(*text);
}

result<welcome> decode_welcome(byte_view from) {
  reader in(from);
  welcome m;
  m.slots = in.u16();
  m.credit = in.u32();
  m.heartbeat_ms = in.u32();
  m.dead_ms = in.u32();
  m.longest_message = in.u64();
  m.machine = in.u16();
  m.isa_level = in.u8();
  if (in.u8() != 0) return malformed();
  for (auto* text : {&m.name, &m.version, &m.os, &m.glibc, &m.glibcxx, &m.cxxabi}) *text = in.text();
  return whole(in, std::move(m));
}

void encode_credit(const credit& m, bytes& to) { writer(to).u32(static_cast<std::uint32_t>(m.change)); }

result<credit> decode_credit(byte_view from) {
  reader in(from);
  return whole(in, credit{static_cast<std::int32_t>(in.u32())});
}

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

void encode_submit(const submit& m, std::uint8_t* to) {
  store_big_endian(to, m.image);
  store_big_endian(to + 4, m.decoder);
  store_big_endian(to + 12, m.function);
  store_big_endian(to + 20, m.deadline_ms);
}

result<submit> decode_submit(byte_view from) {
  if (from.size() < submit::size) return malformed();
  submit m;
  m.image = load_big_endian<std::uint32_t>(from.data());
  m.decoder = load_big_endian<std::uint64_t>(from.data() + 4);
  m.function = load_big_endian<std::uint64_t>(from.data() + 12);
  m.deadline_ms = load_big_endian<std::uint32_t>(from.data() + 20);
  return m;
}

void encode_result_head(const result_head& m, std::uint8_t* to) {
  to[0] = m.credit;
  to[1] = m.flags;
  store_big_endian(to + 2, m.code);
  store_big_endian(to + 4, m.run_us);
}

void encode_output(const output& m, bytes& to) {
  to.reserve(to.size() + output_head_size + m.out.size() + m.err.size());
  writer out(to);
  out.u32(static_cast<std::uint32_t>(m.out.size()));
  out.u32(static_cast<std::uint32_t>(m.err.size()));
  out.u64(m.out_dropped);
  out.u64(m.err_dropped);
  out.raw(m.out);
  out.raw(m.err);
}

namespace {
output read_output(reader& in) {
  output m;
  const std::size_t out_size = in.u32();
  const std::size_t err_size = in.u32();
  m.out_dropped = in.u64();
  m.err_dropped = in.u64();
  m.out = in.take(out_size);
  m.err = in.take(err_size);
  return m;
}
}  // namespace

result<result_parts> decode_result(byte_view from) {
  reader in(from);
  result_parts m;
  m.head.credit = in.u8();
  m.head.flags = in.u8();
  m.head.code = in.u16();
  m.head.run_us = in.u32();
  if (m.head.credit > 2 || (m.head.flags & ~result_head::flag_output) != 0) return malformed();
  if ((m.head.flags & result_head::flag_output) != 0) m.printed = read_output(in);
  if (!in.ok()) return malformed();
  m.body = in.rest();
  return m;
}

void encode_failure(const failure& m, bytes& to) {
  writer out(to);
  out.u16(m.signal);
  out.u16(m.exit_status);
  out.text(m.type);
  out.text(m.what);
}

result<failure> decode_failure(byte_view from) {
  reader in(from);
  failure m;
  m.signal = in.u16();
  m.exit_status = in.u16();
  m.type = in.text();
  m.what = in.text();
  return whole(in, std::move(m));
}

void encode_cancel(const cancel& m, bytes& to) { writer(to).u8(static_cast<std::uint8_t>(m.why)); }

result<cancel> decode_cancel(byte_view from) {
  reader in(from);
  const auto why = in.u8();
  if (why > static_cast<std::uint8_t>(cancel_reason::cancel)) return malformed();
  return whole(in, cancel{static_cast<cancel_reason>(why)});
}

void encode_ping(const ping& m, bytes& to) { writer(to).u64(m.token); }

result<ping> decode_ping(byte_view from) {
  reader in(from);
  return whole(in, ping{in.u64()});
}

void encode_goodbye(const goodbye& m, bytes& to) {
  writer out(to);
  out.u16(m.reason);
  out.u32(m.drain_ms);
  out.text(m.text);
}

result<goodbye> decode_goodbye(byte_view from) {
  reader in(from);
  goodbye m;
  m.reason = in.u16();
  m.drain_ms = in.u32();
  m.text = in.text();
  return whole(in, std::move(m));
}

void encode_unsupported(const unsupported& m, bytes& to) { writer(to).u8(m.type); }

result<unsupported> decode_unsupported(byte_view from) {
  reader in(from);
  return whole(in, unsupported{in.u8()});
}

}  // namespace pp::wire
