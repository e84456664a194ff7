#include "discovery/announcer.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "pp/error.hpp"
#include "wire/version.hpp"

namespace pp::discovery {
namespace {

// A goodbye is followed by no later one, so it is said often enough to survive a lost datagram or two.
constexpr int goodbyes = 3;

// Link-local IPv6 addresses mean nothing without the receiver's own interface, so they are not told.
bool is_worth_telling(const net::ip::address& a) { return !a.is_v6() || !a.to_v6().is_link_local(); }

wire::announce::address to_wire(const net::ip::address& a) {
  wire::announce::address out;
  if (a.is_v4()) {
    const auto from = a.to_v4().to_bytes();
    std::copy(from.begin(), from.end(), out.bytes.begin());
  } else {
    out.family = 6;
    out.bytes = a.to_v6().to_bytes();
  }
  return out;
}

// The source of an answer: the address that was selected if there is one only, else what the kernel finds fit.
net::ip::address_v4 source_on(const selected_interface& on) {
  const auto is_v4 = [](const auto& a) { return a.is_v4(); };
  const bool one = std::count_if(on.addresses.begin(), on.addresses.end(), is_v4) == 1;
  return one ? on.addresses.front().to_v4() : net::ip::address_v4();
}

}  // namespace

announcer::announcer(const net::executor& ex, options o, const auth::keyring& keys, std::function<node_state()> state)
    : options_(std::move(o)),
      keys_(keys),
      state_(std::move(state)),
      port_(ex, options_.discovery_port, options_.where),
      limits_(options_.replies),
      jitter_(load_big_endian<std::uint32_t>(options_.boot.data())),
      running_(ex) {}

net::awaitable<void> announcer::run() {
  running_.tasks().spawn("discovery_queries", answer_queries());
  running_.tasks().spawn("discovery_announcements", announce_on_schedule());
  co_await running_.wait();
}

net::awaitable<void> announcer::close() { return running_.close(); }

net::awaitable<void> announcer::announce_on_schedule() {
  const auto begin = now();
  for (const auto after : options_.at_start) {
    co_await net::sleep_for(begin + after - now());
    announce_now();
  }
  for (;;) {
    co_await net::sleep_for(next_interval());
    follow_interfaces();
    announce_now();
  }
}

// Twenty per cent sooner or later, so that nodes started together do not speak together for ever.
duration announcer::next_interval() {
  std::uniform_real_distribution<double> factor(0.8, 1.2);
  return std::chrono::duration_cast<duration>(options_.interval * factor(jitter_));
}

void announcer::follow_interfaces() {
  try {
    if (refresh(options_.where)) log::info("discovery_interfaces_changed", {{"now", text_of(options_.where)}});
  } catch (const error& e) {
    log::warn("discovery_interfaces_unknown", {{"reason", e.what()}});  // those known before stay in use
  }
}

void announcer::announce_now() {
  if (!silent_) send_to_all(wire::announce_type::announce);
}

void announcer::goodbye() {
  if (silent_) return;
  silent_ = true;
  for (int i = 0; i < goodbyes; ++i) send_to_all(wire::announce_type::goodbye);
}

void announcer::send_to_all(wire::announce_type type) {
  if (keys_.empty()) return;
  for (const auto& on : options_.where.interfaces) {
    for (const auto& b : on.broadcasts) {
      const auto datagram = auth::seal_announce(compose(type, on), keys_.proving());
      const udp_port::destination to{b.to, options_.discovery_port, on.index, b.from};
      if (port_.send(datagram, to)) ++seen_.announced;
    }
  }
}

wire::announce announcer::compose(wire::announce_type type, const selected_interface& on) {
  const auto state = state_();
  wire::announce m;
  m.type = type;
  m.draining = state.draining || silent_;
  m.node_id = options_.id;
  m.boot_id = options_.boot;
  m.seq = ++seq_;
  m.unix_ms = wall_clock_ms();
  m.tcp_port = options_.tcp_port;
  m.proto_min = wire::protocol_min;
  m.proto_max = wire::protocol_max;
  m.slots = state.slots;
  m.free = state.free;
  m.load_milli = state.load_milli;
  m.mem_free_mib = state.mem_free_mib;
  m.features = options_.features;
  m.name = options_.name.substr(0, wire::max_announce_name);
  for (const auto& a : on.addresses) {
    if (m.addresses.size() < wire::max_announce_addresses && is_worth_telling(a)) m.addresses.push_back(to_wire(a));
  }
  return m;
}

net::awaitable<void> announcer::answer_queries() {
  for (;;) {
    const auto got = co_await port_.receive();
    on_datagram(got);
  }
}

void announcer::on_datagram(const udp_port::datagram& d) {
  auto fault = auth::datagram_fault::none;
  const auto m = auth::open_announce(d.content(), keys_, fault);
  if (!m) return count(fault);
  if (m->type != wire::announce_type::query || silent_) return;
  if (guard_.check(*m, wall_clock_ms(), now()) != replay_guard::verdict::fresh) {
    ++seen_.stale;
    return;
  }
  ++seen_.queries;
  if (limits_.may_answer(d.from.to_uint(), m->nonce, now())) {
    answer(*m, d);
  } else {
    ++seen_.limited;
  }
}

void announcer::count(auth::datagram_fault fault) {
  if (fault == auth::datagram_fault::unknown_key) ++seen_.other_key;
  if (fault == auth::datagram_fault::wrong_mac) ++seen_.wrong_mac;
  if (fault == auth::datagram_fault::malformed) ++seen_.malformed;
}

// Sealed with the key of the question: during a rotation that is the one both surely hold.
void announcer::answer(const wire::announce& query, const udp_port::datagram& d) {
  const auto* on = options_.where.find(d.interface);
  const auto* with = keys_.find(query.key_id);
  if (on == nullptr || with == nullptr) return;
  auto m = compose(wire::announce_type::reply, *on);
  m.nonce = query.nonce;
  const udp_port::destination to{d.from, d.from_port, on->index, source_on(*on)};
  if (port_.send(auth::seal_announce(m, *with), to)) ++seen_.answered;
}

}  // namespace pp::discovery
