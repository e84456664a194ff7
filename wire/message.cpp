#include "wire/message.hpp"

#include <algorithm>
#include <optional>

#include "wire/terms.hpp"
#include "wire/whole.hpp"

namespace pp::wire {
namespace {

constexpr std::size_t output_head_size = 4 + 4 + 8 + 8;

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
  out.u8(m.isolation);
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
  m.isolation = in.u8();
  for (auto* text : {&m.name, &m.version, &m.os, &m.glibc, &m.glibcxx, &m.cxxabi}) *text = in.text();
  return whole(in, std::move(m));
}

void encode_credit(const credit& m, bytes& to) { writer(to).u32(static_cast<std::uint32_t>(m.change)); }

result<credit> decode_credit(byte_view from) {
  reader in(from);
  return whole(in, credit{static_cast<std::int32_t>(in.u32())});
}

void encode_submit(const submit& m, std::uint8_t* to) {
  store_big_endian(to, m.image);
  store_big_endian(to + 4, m.decoder);
  store_big_endian(to + 12, m.function);
  store_big_endian(to + 20, m.terms_bytes);
  std::copy(m.id.begin(), m.id.end(), to + 24);
}

result<submit> decode_submit(byte_view from) {
  if (from.size() < submit::size) return malformed();
  submit m;
  m.image = load_big_endian<std::uint32_t>(from.data());
  m.decoder = load_big_endian<std::uint64_t>(from.data() + 4);
  m.function = load_big_endian<std::uint64_t>(from.data() + 12);
  m.terms_bytes = load_big_endian<std::uint32_t>(from.data() + 20);
  std::copy_n(from.data() + 24, m.id.size(), m.id.begin());
  if (m.terms_bytes > max_terms_bytes || m.terms_bytes > from.size() - submit::size) return malformed();
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
  if (m.head.credit > result_head::no_credit || (m.head.flags & ~result_head::flag_output) != 0) return malformed();
  if ((m.head.flags & result_head::flag_output) != 0) m.printed = read_output(in);
  if (!in.ok()) return malformed();
  m.body = in.rest();
  return m;
}

namespace {

void put_ended_text(std::string_view text, bytes& to) {
  text = text.substr(0, std::min(text.find('\0'), max_cause_text));
  writer(to).raw(as_bytes(text));
  to.push_back(0);
}
bytes encoded_causes(const std::vector<cause>& causes) {
  bytes out;
  for (std::size_t i = 0; i < causes.size() && i < max_causes; ++i) {
    put_ended_text(causes[i].type, out);
    put_ended_text(causes[i].what, out);
  }
  return out;
}

std::optional<std::string> take_ended_text(std::string_view& from) {
  const auto end = from.find('\0');
  if (end == std::string_view::npos || end > max_cause_text) return std::nullopt;
  std::string text(from.substr(0, end));
  from.remove_prefix(end + 1);
  return text;
}
bool read_causes(byte_view from, std::vector<cause>& to) {
  auto rest = as_text(from);
  while (!rest.empty() && to.size() < max_causes) {
    auto type = take_ended_text(rest);
    auto what = take_ended_text(rest);
    if (!type || !what) return false;
    to.push_back({std::move(*type), std::move(*what)});
  }
  return rest.empty();
}

}  // namespace

void encode_failure(const failure& m, bytes& to) {
  writer out(to);
  out.u16(m.signal);
  out.u16(m.exit_status);
  out.text(m.type);
  out.text(m.what);
  out.u32(m.pid);
  out.u32(m.cpu_ms);
  out.u64(m.peak_memory);
  const bytes causes = encoded_causes(m.causes);
  out.u32(static_cast<std::uint32_t>(causes.size()));
  out.raw(causes);
  const auto frames = std::min(m.stack.size(), max_stack);
  out.u16(static_cast<std::uint16_t>(frames * sizeof(std::uint64_t)));
  for (std::size_t i = 0; i < frames; ++i) out.u64(m.stack[i]);
}

result<failure> decode_failure(byte_view from) {
  reader in(from);
  failure m;
  m.signal = in.u16();
  m.exit_status = in.u16();
  m.type = in.text();
  m.what = in.text();
  m.pid = in.u32();
  m.cpu_ms = in.u32();
  m.peak_memory = in.u64();
  const bool has_causes = read_causes(in.take(in.u32()), m.causes);
  reader stack(in.take(in.u16()));
  while (stack.rest().size() >= sizeof(std::uint64_t) && m.stack.size() < max_stack) m.stack.push_back(stack.u64());
  if (!has_causes || !stack.finished()) return malformed();
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

void encode_drain(const drain& m, bytes& to) { writer(to).u32(m.limit_ms); }

result<drain> decode_drain(byte_view from) {
  reader in(from);
  return whole(in, drain{in.u32()});
}

void encode_lent(const lent& m, bytes& to) { writer(to).u16(m.workers); }

result<lent> decode_lent(byte_view from) {
  reader in(from);
  return whole(in, lent{in.u16()});
}

void encode_check_in(const check_in& m, bytes& to) {
  writer out(to);
  out.u64(m.place);
  out.text(m.why);
}

result<check_in> decode_check_in(byte_view from) {
  reader in(from);
  check_in m;
  m.place = in.u64();
  m.why = in.text();
  return whole(in, std::move(m));
}

}  // namespace pp::wire
