#include "discovery/browser.hpp"

#include <algorithm>
#include <limits>

#include "auth/crypto.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/deadline.hpp"
#include "pp/error.hpp"
#include "wire/version.hpp"

namespace pp::discovery {
namespace {

constexpr std::size_t max_other_keys = 8;
constexpr std::size_t max_clock_notes = 64;
constexpr std::size_t max_asked = 64;

net::ip::address to_asio(const wire::announce::address& a) {
  if (a.family == 6) return net::ip::address_v6(a.bytes);
  return net::ip::address_v4({a.bytes[0], a.bytes[1], a.bytes[2], a.bytes[3]});
}

endpoint source_of(const udp_port::datagram& d, std::uint16_t tcp_port) {
  endpoint out;
  const auto from = d.from.to_bytes();
  std::copy(from.begin(), from.end(), out.address.bytes.begin());
  out.port = tcp_port;
  return out;
}

// The sender's clock minus ours, kept from overflowing: unix_ms is whatever the sender wrote.
std::int64_t clock_offset(const wire::announce& m, std::int64_t wall_ms) {
  return std::max(m.unix_ms, std::numeric_limits<std::int64_t>::min() / 2) - wall_ms;
}

std::string text_of(const selected_interface& on, const selected_interface::broadcast& b) {
  return on.name + " (" + b.to.to_string() + ")";
}

// An address nobody can connect to from here, whatever its node thinks.
bool is_usable(const net::ip::address& a, bool from_this_host) {
  if (a.is_unspecified() || a.is_multicast()) return false;
  if (a.is_v4() && a.to_v4() == net::ip::address_v4::broadcast()) return false;
  if (a.is_v6() && (a.to_v6().is_link_local() || a.to_v6().is_v4_mapped())) return false;
  return from_this_host || !a.is_loopback();
}

}  // namespace

net::tcp::endpoint to_tcp(const endpoint& e) { return {to_asio(e.address), e.port}; }

browser::browser(const net::executor& ex, options o, const auth::keyring& keys)
    : options_(std::move(o)),
      keys_(keys),
      asking_(ex, 0, options_.where),
      guard_(options_.replay),
      directory_(options_.limits),
      boot_(auth::random_array<16>()),
      jitter_(load_big_endian<std::uint32_t>(boot_.data())),
      running_(ex) {
  if (options_.client_id == decltype(options_.client_id){}) options_.client_id = auth::random_array<16>();
  try {
    listening_.emplace(ex, options_.port, options_.where);
    counts_.listening = true;
  } catch (const error& e) {
    counts_.why_not_listening = e.what();
  }
}

net::awaitable<void> browser::run() {
  auto& tasks = running_.tasks();
  tasks.spawn("discovery_answers", receive_from(asking_));
  if (listening_) tasks.spawn("discovery_announcements", receive_from(*listening_));
  tasks.spawn("discovery_queries", ask_on_schedule());
  tasks.spawn("discovery_expiry", expire());
  co_await running_.wait();
}

net::awaitable<void> browser::close() { return running_.close(); }

net::awaitable<void> browser::ask_on_schedule() {
  const auto begin = now();
  for (const auto after : options_.at_start) {
    co_await net::sleep_for(begin + after - now());
    ask_now();
  }
  std::uniform_real_distribution<double> factor(0.8, 1.2);
  for (;;) {
    const auto pause = std::chrono::duration_cast<duration>(options_.interval * factor(jitter_));
    co_await net::sleep_for(pause);
    follow_interfaces();
    ask_now();
  }
}

void browser::follow_interfaces() {
  try {
    if (refresh(options_.where)) log::info("discovery_interfaces_changed", {{"now", text_of(options_.where)}});
  } catch (const error& e) {
    log::warn("discovery_interfaces_unknown", {{"reason", e.what()}});  // those known before stay in use
  }
}

void browser::ask_now() {
  if (keys_.empty() || running_.closed()) return;
  for (const auto& on : options_.where.interfaces) {
    for (const auto& b : on.broadcasts) ask_on(on, b);
  }
}

// A nonce per interface: a node reached by two of them answers on both, and so tells the addresses of both.
void browser::ask_on(const selected_interface& on, const selected_interface::broadcast& b) {
  wire::announce m;
  m.type = wire::announce_type::query;
  m.node_id = options_.client_id;
  m.boot_id = boot_;
  m.seq = ++seq_;
  m.unix_ms = wall_clock_ms();
  m.nonce = auth::random_array<16>();
  m.proto_min = wire::protocol_min;
  m.proto_max = wire::protocol_max;
  const udp_port::destination to{b.to, options_.port, on.index, b.from};
  guard_.on_query_sent(m.nonce, now());
  const bool sent = asking_.send(auth::seal_announce(m, keys_.proving()), to);
  const auto text = text_of(on, b);
  if (asked_.size() >= max_asked && !asked_.contains(text)) return;
  auto& asked = asked_[text];
  asked.text = text;
  ++asked.queries;
  if (!sent) ++asked.failed;
}

net::awaitable<void> browser::receive_from(udp_port& port) {
  for (;;) {
    const auto got = co_await port.receive();
    on_datagram(got);
  }
}

net::awaitable<void> browser::expire() {
  for (;;) {
    co_await net::sleep_for(options_.tick);
    tell(directory_.on_tick(now()));
  }
}

void browser::on_datagram(const udp_port::datagram& d) {
  auto fault = auth::datagram_fault::none;
  const auto m = auth::open_announce(d.content(), keys_, fault);
  if (!m) return count(fault, d.content());
  if (m->type == wire::announce_type::query) return;  // our own, or another client's: nothing for us
  ++counts_.received;
  on_verdict(guard_.check(*m, wall_clock_ms(), now()), *m, d);
}

void browser::on_verdict(replay_guard::verdict v, const wire::announce& m, const udp_port::datagram& d) {
  switch (v) {
    case replay_guard::verdict::fresh: return on_genuine(m, d);
    case replay_guard::verdict::wrong_clock: ++counts_.wrong_clock; return note_clock(m, d, false);
    case replay_guard::verdict::replayed:
    case replay_guard::verdict::unasked: ++counts_.replayed; return;
  }
}

void browser::count(auth::datagram_fault fault, byte_view datagram) {
  ++counts_.received;
  if (fault == auth::datagram_fault::wrong_mac) ++counts_.wrong_mac;
  if (fault == auth::datagram_fault::malformed) ++counts_.malformed;
  if (fault != auth::datagram_fault::unknown_key) return;
  ++counts_.other_key;
  if (other_keys_.size() < max_other_keys) {
    other_keys_.insert(to_hex(datagram.subspan(wire::datagram_key_id_offset, std::tuple_size_v<auth::key_id>)));
  }
}

void browser::on_genuine(const wire::announce& m, const udp_port::datagram& d) {
  ++counts_.accepted;
  note_clock(m, d, true);
  directory::sighting s;
  s.message = &m;
  s.endpoints = endpoints_of(m, d);
  s.same_host = runs_here(m, d);
  s.clock_offset_ms = clock_offset(m, wall_clock_ms());
  if (s.endpoints.empty() && m.type != wire::announce_type::goodbye) ++counts_.no_address;
  tell(directory_.on_sighting(s, now()));
}

// A reply is accepted with any clock, since our nonce proves it fresh; its sender's owner should still be told. A
// refused announcement may be a recording, so it is kept for the report and not logged.
void browser::note_clock(const wire::announce& m, const udp_port::datagram& d, bool accepted) {
  const auto wall = wall_clock_ms();
  const auto window = options_.replay.clock_window.count();
  if (m.unix_ms >= wall - window && m.unix_ms <= wall + window) {
    clocks_.erase(m.node_id);
    return;
  }
  if (clocks_.size() >= max_clock_notes && !clocks_.contains(m.node_id)) return;
  auto& note = clocks_[m.node_id];
  note.name = m.name;
  note.where = source_of(d, m.tcp_port).text();
  note.offset_ms = clock_offset(m, wall);
  if (!accepted || note.warned) return;
  note.warned = true;
  log::warn("clock_differs", {{"what", clock_warning(note.name, note.where, note.offset_ms)}});
}

bool browser::runs_here(const wire::announce& m, const udp_port::datagram& d) const {
  if (options_.where.is_own_address(d.from)) return true;
  return std::any_of(m.addresses.begin(), m.addresses.end(), [&](const auto& a) {
    const auto address = to_asio(a);
    return !address.is_loopback() && options_.where.is_own_address(address);
  });
}

// The address the datagram came from is known to lead here and back, so it comes first, but only if it is under the
// MAC.
std::vector<endpoint> browser::endpoints_of(const wire::announce& m, const udp_port::datagram& d) const {
  std::vector<endpoint> out;
  const auto source = source_of(d, m.tcp_port);
  if (m.tcp_port == 0) return out;
  if (m.addresses.empty()) return {source};
  const bool from_this_host = options_.where.is_own_address(d.from);
  for (const auto& a : m.addresses) {
    if (!is_usable(to_asio(a), from_this_host)) continue;
    out.insert(a == source.address ? out.begin() : out.end(), endpoint{a, m.tcp_port});
  }
  return out;
}

void browser::tell(const std::vector<change>& changes) {
  for (const auto& c : changes) {
    for (std::size_t i = 0; i < handlers_.size() && !running_.closed(); ++i) handlers_[i](c);
  }
}

report browser::what_happened() const {
  report out = counts_;
  out.port = options_.port;
  out.not_selected = asking_.seen().not_selected + (listening_ ? listening_->seen().not_selected : 0);
  if (!keys_.empty()) out.key_id = keys_.proving().id_text();
  auto asked = asked_;
  for (const auto& on : options_.where.interfaces) {
    for (const auto& b : on.broadcasts) asked[text_of(on, b)].text = text_of(on, b);
  }
  for (const auto& [text, about] : asked) out.interfaces.push_back(about);
  out.other_key_ids.assign(other_keys_.begin(), other_keys_.end());
  for (const auto& [id, note] : clocks_) {
    out.clock_warnings.push_back(clock_warning(note.name, note.where, note.offset_ms));
  }
  for (const auto& node : directory_.nodes()) {
    auto warning = version_warning(node, wire::protocol_min, wire::protocol_max);
    if (!warning.empty()) out.version_warnings.push_back(std::move(warning));
  }
  return out;
}

}  // namespace pp::discovery
