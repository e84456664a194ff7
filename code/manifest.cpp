#include "code/manifest.hpp"

#include <algorithm>
#include <set>

namespace pp::code {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t max_build_id = 64;
constexpr std::size_t max_version_text = 32;

bool is_version(const std::string& text) {
  return text.size() <= max_version_text && text.find_first_not_of("0123456789.") == text.npos;
}

result<module_entry> decode_module(reader& in) {
  module_entry e;
  e.name = in.text();
  e.size = in.u64();
  e.content = in.array<auth::digest_size>();
  const std::size_t id_size = in.u8();
  const auto id = in.take(id_size);
  e.build_id.assign(id.begin(), id.end());
  const bool valid =
      in.ok() && is_plain_name(e.name) && e.size > 0 && e.size <= max_module_bytes && id_size <= max_build_id;
  if (!valid) return malformed();
  return e;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto is_odd = [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= max_name_bytes && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(), is_odd);
}

bytes encode_manifest(const manifest& m) {
  bytes out;
  writer w(out);
  w.u8(format);
  w.u16(m.asks.machine);
  w.u8(m.asks.isa_level);
  w.text(m.asks.glibc);
  w.text(m.asks.glibcxx);
  w.text(m.asks.cxxabi);
  w.u16(static_cast<std::uint16_t>(m.modules.size()));
  for (const auto& e : m.modules) {
    w.text(e.name);
    w.u64(e.size);
    w.raw(e.content);
    w.u8(static_cast<std::uint8_t>(e.build_id.size()));
    w.raw(e.build_id);
  }
  return out;
}

result<manifest> decode_manifest(byte_view from) {
  reader in(from);
  manifest m;
  if (in.u8() != format) return malformed();
  m.asks.machine = in.u16();
  m.asks.isa_level = in.u8();
  m.asks.glibc = in.text();
  m.asks.glibcxx = in.text();
  m.asks.cxxabi = in.text();
  if (!is_version(m.asks.glibc) || !is_version(m.asks.glibcxx) || !is_version(m.asks.cxxabi)) return malformed();
  const std::size_t count = in.u16();
  if (!in.ok() || count == 0 || count > max_modules) return malformed();
  std::set<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    auto e = decode_module(in);
    if (!e || !names.insert(e->name).second) return malformed();
    m.modules.push_back(std::move(*e));
  }
  if (!in.finished()) return malformed();
  return m;
}

image_id id_of(byte_view encoded_manifest) { return auth::sha256(encoded_manifest); }

}  // namespace pp::code
