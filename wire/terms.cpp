#include "wire/terms.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/check.hpp"

namespace pp::wire {
namespace {

constexpr std::uint8_t flag_at_most_once = 1, flag_drops_output = 2, flag_added = 4;
constexpr unsigned use_shift = 6;
constexpr int usual_priority = 128;

bool read_environment(byte_view from, std::vector<std::string>& to) {
  auto rest = as_text(from);
  while (!rest.empty()) {
    const auto end = rest.find('\0');
    const auto one = rest.substr(0, end);
    // A name without '=' or an empty name is nothing a program can be given.
    if (end == std::string_view::npos || one.find('=') == std::string_view::npos || one.front() == '=') return false;
    to.emplace_back(one);
    rest.remove_prefix(end + 1);
  }
  return true;
}

bool has_added(const terms& m) { return m.initialiser != 0 || !m.resources.empty() || !m.values.empty(); }

void add_term(term_tag tag, byte_view value, bytes& to) {
  writer out(to);
  out.u8(static_cast<std::uint8_t>(tag));
  out.u16(static_cast<std::uint16_t>(value.size()));
  out.raw(value);
}

void add_terms(const terms& m, bytes& to) {
  bytes value;
  if (m.initialiser != 0) {
    writer(value).u64(m.initialiser);
    add_term(term_tag::initialiser, value, to);
    value.clear();
  }
  if (!m.resources.empty()) {
    write_resources(m.resources, value);
    add_term(term_tag::resources, value, to);
    value.clear();
  }
  if (m.values.empty()) return;
  for (const auto& content : m.values) writer(value).raw(content);
  add_term(term_tag::values, value, to);
}

bool read_initialiser(byte_view from, terms& to) {
  reader in(from);
  to.initialiser = in.u64();
  return in.finished() && to.initialiser != 0;
}

bool read_values(byte_view from, std::vector<content_id>& to) {
  const auto count = from.size() / content_id().size();
  if (count == 0 || count > max_values_of_job || count * content_id().size() != from.size()) return false;
  reader in(from);
  for (std::size_t i = 0; i < count; ++i) to.push_back(in.array<content_id().size()>());
  return std::adjacent_find(to.begin(), to.end(), std::greater_equal<>()) == to.end();
}

/// False also for a tag that is not known: what it asks for would not be done.
bool read_added(reader& in, terms& to) {
  for (unsigned last = 0; !in.finished();) {
    const unsigned tag = in.u8();
    const auto value = in.take(in.u16());
    if (!in.ok() || tag <= std::exchange(last, tag)) return false;
    const auto what = static_cast<term_tag>(tag);
    const bool is_good = what == term_tag::initialiser ? read_initialiser(value, to)
                         : what == term_tag::resources ? !value.empty() && read_resources(value, to.resources)
                         : what == term_tag::values    ? read_values(value, to.values)
                                                       : false;
    if (!is_good) return false;
  }
  return has_added(to);
}

}  // namespace

bool is_resource_name(std::string_view name) {
  return !name.empty() && name.size() <= max_resource_name && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  });
}

bool read_resources(byte_view from, std::vector<resource>& to) {
  reader in(from);
  while (!in.finished()) {
    resource one;
    one.count = in.u16();
    one.name = in.text();
    const bool is_ascending = to.empty() || to.back().name < one.name;
    if (!in.ok() || one.count == 0 || !is_ascending || !is_resource_name(one.name) || to.size() == max_resources)
      return false;
    to.push_back(std::move(one));
  }
  return true;
}

void write_resources(const std::vector<resource>& from, bytes& to) {
  writer out(to);
  for (const auto& one : from) {
    out.u16(one.count);
    out.text(one.name);
  }
}

void encode_declared(const std::vector<resource>& from, bytes& to) {
  bytes all;
  write_resources(from, all);
  writer out(to);
  out.u16(static_cast<std::uint16_t>(all.size()));
  out.raw(all);
}

result<std::vector<resource>> decode_declared(byte_view from) {
  reader in(from);
  const auto all = in.take(in.u16());
  std::vector<resource> out;
  if (!in.finished() || all.empty() || !read_resources(all, out)) return malformed();
  return out;
}

void encode_terms(const terms& m, bytes& to) {
  PP_ASSERT(m.label.size() <= max_label);
  bytes environment;
  for (const auto& variable : m.environment) {
    writer(environment).raw(as_bytes(variable));
    environment.push_back(0);
  }
  PP_ASSERT(environment.size() <= max_environment_bytes);
  writer out(to);
  out.u32(m.timeout_ms);
  out.u32(m.cpu_ms);
  out.u64(m.memory);
  out.u64(m.max_result);
  out.u8(static_cast<std::uint8_t>(m.priority + usual_priority));
  out.u8(static_cast<std::uint8_t>((m.at_most_once ? flag_at_most_once : 0) | (m.drops_output ? flag_drops_output : 0) |
                                   (has_added(m) ? flag_added : 0) | static_cast<unsigned>(m.use) << use_shift));
  out.text(m.label);
  out.u16(static_cast<std::uint16_t>(environment.size()));
  out.raw(environment);
  if (m.use != place_use::none) out.u64(m.place);
  if (has_added(m)) add_terms(m, to);
}

result<terms> decode_terms(byte_view from) {
  if (from.empty()) return terms{};
  reader in(from);
  terms m;
  m.timeout_ms = in.u32();
  m.cpu_ms = in.u32();
  m.memory = in.u64();
  m.max_result = in.u64();
  m.priority = static_cast<std::int8_t>(in.u8() - usual_priority);
  const auto all_flags = in.u8();
  const auto flags = all_flags & ((1U << use_shift) - 1);
  m.use = static_cast<place_use>(all_flags >> use_shift);
  m.at_most_once = (flags & flag_at_most_once) != 0;
  m.drops_output = (flags & flag_drops_output) != 0;
  m.label = in.text();
  const bool good = read_environment(in.take(in.u16()), m.environment);
  if (m.use != place_use::none) m.place = in.u64();
  const bool is_added = (flags & flag_added) == 0 || read_added(in, m);
  if (!good || !is_added || !in.finished() || flags > (flag_at_most_once | flag_drops_output | flag_added) ||
      m.label.size() > max_label)
    return malformed();
  return m;
}

}  // namespace pp::wire
