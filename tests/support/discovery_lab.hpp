// What discovery tests share: a key ring, a free port, announcers and browsers on one io_context, and a bare UDP socket
// that plays whoever the test needs. Nothing leaves the interfaces the test selects.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/crypto.hpp"
#include "auth/datagram.hpp"
#include "discovery/announcer.hpp"
#include "discovery/browser.hpp"

namespace pp::discovery::test {

using namespace std::chrono_literals;

/// Runs handlers until `condition` holds; false after `limit`.
template <class Condition>
bool run_until(net::io_context& io, Condition condition, duration limit = 20s) {
  const auto end = now() + limit;
  while (!condition()) {
    if (now() >= end) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(std::min<duration>(10ms, end - now()));
  }
  return true;
}

/// A keyring of the keys made from these one-byte seeds.
inline auth::keyring ring(std::initializer_list<std::uint8_t> seeds) {
  std::vector<auth::key> keys;
  for (const auto seed : seeds) {
    const bytes raw(32, seed);
    keys.emplace_back("k" + std::to_string(seed), auth::secret(raw));
  }
  return auth::keyring(std::move(keys));
}

inline std::uint16_t free_udp_port(net::io_context& io) {
  const net::udp::endpoint any(net::ip::address_v4::any(), 0);
  const net::udp::socket probe(io, any);
  return probe.local_endpoint().port();
}

/// A plain socket on `port` (0 = any free), as a node, a client or an attacker might open one.
class bare_socket {
 public:
  bare_socket(net::io_context& io, std::uint16_t port, bool shared = true) : socket_(io, net::udp::v4()) {
    socket_.set_option(net::asio::socket_base::reuse_address(shared && port != 0));
    socket_.set_option(net::asio::socket_base::broadcast(true));
    socket_.bind({net::ip::address_v4::any(), port});
    socket_.non_blocking(true);
  }
  std::uint16_t port() const { return socket_.local_endpoint().port(); }
  void send(byte_view content, const net::ip::address_v4& to, std::uint16_t port) {
    socket_.send_to(net::asio::buffer(content.data(), content.size()), {to, port});
  }
  void send_to_loopback(byte_view content, std::uint16_t port) { send(content, net::ip::address_v4::loopback(), port); }
  /// The next datagram, if one is there; `from` is its sender.
  std::optional<bytes> receive() {
    bytes content(512);
    net::error_code none;
    content.resize(socket_.receive_from(net::asio::buffer(content), from, 0, none));
    return none ? std::nullopt : std::optional(std::move(content));
  }
  net::udp::endpoint from;
  net::udp::socket& native() { return socket_; }

 private:
  net::udp::socket socket_;
};

/// Announcers and browsers that are closed at the end, whatever happened.
class lab {
 public:
  explicit lab(std::string wish = "lo") : port(free_udp_port(io)), wish_(std::move(wish)) {}
  ~lab() {
    for (auto& n : nodes_) closing_.push_back(n->close());
    for (auto& b : browsers_) closing_.push_back(b->close());
    std::size_t left = closing_.size();
    for (auto& c : closing_) {
      net::asio::co_spawn(io, std::move(c), [&left](std::exception_ptr) { --left; });
    }
    run_until(io, [&] { return left == 0; });
    io.restart();
    io.poll();  // run() ends after close() does
  }

  announcer::options node_options(std::uint8_t id = 1) const {
    announcer::options o;
    o.where = select_interfaces(wish_);
    o.discovery_port = port;
    o.tcp_port = static_cast<std::uint16_t>(41000 + id);
    o.id[0] = id;
    o.boot = auth::random_array<16>();
    o.name = "node" + std::to_string(id);
    return o;
  }
  browser::options browser_options() const {
    browser::options o;
    o.where = select_interfaces(wish_);
    o.port = port;
    o.tick = 20ms;
    return o;
  }
  announcer& start_node(const announcer::options& o) { return start_node(o, keys); }
  announcer& start_node(const announcer::options& o, const auth::keyring& with) {
    nodes_.push_back(std::make_unique<announcer>(io.get_executor(), o, with, [this] { return state; }));
    net::asio::co_spawn(io, nodes_.back()->run(), [](std::exception_ptr) {});
    return *nodes_.back();
  }
  browser& start_browser(const browser::options& o) { return start_browser(o, keys); }
  browser& start_browser(const browser::options& o, const auth::keyring& with) {
    browsers_.push_back(std::make_unique<browser>(io.get_executor(), o, with));
    browsers_.back()->on_change([this](const change& c) { changes.push_back(c); });
    net::asio::co_spawn(io, browsers_.back()->run(), [](std::exception_ptr) {});
    return *browsers_.back();
  }
  template <class Condition>
  bool wait_for(Condition condition, duration limit = 20s) {
    return run_until(io, condition, limit);
  }
  /// How often a change of this kind was told.
  std::size_t told(change_kind kind) const {
    std::size_t n = 0;
    for (const auto& c : changes) n += c.kind == kind ? 1 : 0;
    return n;
  }

  net::io_context io{1};
  auth::keyring keys = ring({1});
  std::uint16_t port;
  node_state state{4, 3, 250, 1000, false};
  std::vector<change> changes;

 private:
  std::string wish_;
  std::vector<std::unique_ptr<announcer>> nodes_;
  std::vector<std::unique_ptr<browser>> browsers_;
  std::vector<net::awaitable<void>> closing_;
};

/// A message of a node that only the test plays.
inline wire::announce spoken(wire::announce_type type, std::uint64_t seq) {
  wire::announce m;
  m.type = type;
  m.node_id[0] = 77;
  m.boot_id[0] = 1;
  m.seq = seq;
  m.unix_ms = wall_clock_ms();
  m.tcp_port = type == wire::announce_type::query ? 0 : 41077;
  m.proto_min = m.proto_max = 1;
  m.name = type == wire::announce_type::query ? "" : "played";
  if (type == wire::announce_type::query) m.nonce = auth::random_array<16>();
  return m;
}

}  // namespace pp::discovery::test
