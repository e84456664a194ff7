#include "wire/terms.hpp"

#include "base/check.hpp"

namespace pp::wire {
namespace {

constexpr std::uint8_t flag_at_most_once = 1, flag_drops_output = 2;
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

}  // namespace

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
                                   static_cast<unsigned>(m.use) << use_shift));
  out.text(m.label);
  out.u16(static_cast<std::uint16_t>(environment.size()));
  out.raw(environment);
  if (m.use != place_use::none) out.u64(m.place);
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
  if (!good || !in.finished() || flags > (flag_at_most_once | flag_drops_output) || m.label.size() > max_label)
    return malformed();
  return m;
}

}  // namespace pp::wire
