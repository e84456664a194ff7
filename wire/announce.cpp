#include "wire/announce.hpp"

#include <algorithm>

namespace pp::wire {
namespace {

constexpr std::uint8_t flag_draining = 1;
constexpr std::size_t reserved_size = 20;

bool all_zero(byte_view from) {
  return std::all_of(from.begin(), from.end(), [](std::uint8_t b) { return b == 0; });
}

void write_name(writer& out, const std::string& name) {
  std::array<std::uint8_t, max_announce_name> field{};
  std::copy_n(name.begin(), std::min(name.size(), field.size()), field.begin());
  out.raw(field);
}

void write_addresses(writer& out, const std::vector<announce::address>& addresses) {
  for (std::size_t i = 0; i < max_announce_addresses; ++i) {
    const bool used = i < addresses.size();
    out.u8(used ? addresses[i].family : 0);
    out.raw(used ? addresses[i].bytes : std::array<std::uint8_t, 16>{});
  }
}

/// One of the four places; false if it is not in its only form.
bool read_address(reader& in, bool used, announce& m) {
  announce::address a;
  a.family = in.u8();
  a.bytes = in.array<16>();
  const byte_view content(a.bytes);
  if (!used) return a.family == 0 && all_zero(content);
  if (a.family != 4 && a.family != 6) return false;
  if (a.family == 4 && !all_zero(content.subspan(4))) return false;
  m.addresses.push_back(a);
  return true;
}

bool read_name_and_addresses(reader& in, announce& m) {
  const std::size_t count = in.u8();
  const std::size_t name_size = in.u8();
  const auto name = in.take(max_announce_name);
  if (!in.ok() || count > max_announce_addresses || name_size > max_announce_name) return false;
  if (!all_zero(name.subspan(name_size))) return false;
  m.name = std::string(as_text(name.first(name_size)));
  for (std::size_t i = 0; i < max_announce_addresses; ++i) {
    if (!read_address(in, i < count, m)) return false;
  }
  return all_zero(in.take(reserved_size)) && in.finished();
}

void read_numbers(reader& in, announce& m) {
  m.key_id = in.array<8>();
  m.node_id = in.array<16>();
  m.boot_id = in.array<16>();
  m.seq = in.u64();
  m.unix_ms = in.i64();
  m.nonce = in.array<16>();
  m.tcp_port = in.u16();
  m.proto_min = in.u8();
  m.proto_max = in.u8();
  m.slots = in.u16();
  m.free = in.u16();
  m.load_milli = in.u32();
  m.mem_free_mib = in.u32();
  m.features = in.u64();
}

}  // namespace

bytes encode_announce(const announce& m) {
  bytes content;
  content.reserve(datagram_size);
  writer out(content);
  out.raw(as_bytes(datagram_magic));
  out.u8(static_cast<std::uint8_t>(m.type));
  out.u8(m.draining ? flag_draining : 0);
  out.u16(datagram_size);
  out.raw(m.key_id);
  out.raw(m.node_id);
  out.raw(m.boot_id);
  out.u64(m.seq);
  out.i64(m.unix_ms);
  out.raw(m.nonce);
  out.u16(m.tcp_port);
  out.u8(m.proto_min);
  out.u8(m.proto_max);
  out.u16(m.slots);
  out.u16(m.free);
  out.u32(m.load_milli);
  out.u32(m.mem_free_mib);
  out.u64(m.features);
  out.u8(static_cast<std::uint8_t>(std::min(m.addresses.size(), max_announce_addresses)));
  out.u8(static_cast<std::uint8_t>(std::min(m.name.size(), max_announce_name)));
  write_name(out, m.name);
  write_addresses(out, m.addresses);
  out.raw(std::array<std::uint8_t, reserved_size>{});
  return content;
}

bool is_announce(byte_view from) {
  if (from.size() < datagram_magic.size() + 1) return false;
  const auto type = from[datagram_magic.size()];
  return as_text(from.first(datagram_magic.size())) == datagram_magic && type >= 1 && type <= 4;
}

result<announce> decode_announce(byte_view content) {
  if (content.size() != datagram_content_size || !is_announce(content)) return malformed();
  reader in(content.subspan(datagram_magic.size()));
  announce m;
  m.type = static_cast<announce_type>(in.u8());
  const auto flags = in.u8();
  m.draining = (flags & flag_draining) != 0;
  if ((flags & ~flag_draining) != 0 || in.u16() != datagram_size) return malformed();
  read_numbers(in, m);
  if (!read_name_and_addresses(in, m)) return malformed();
  return m;
}

}  // namespace pp::wire
