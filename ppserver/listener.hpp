// Listens on one port of every selected address, and hands over what comes in.
//
// Promises: the same port on all addresses, also when any free one is asked for; when descriptors run short it stops accepting
// for a moment, so that workers and sessions keep theirs.
// Owner: the node; close() before destruction ends all. Threads: the I/O thread only. Must not know: who connects.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/asio.hpp"
#include "net/task_group.hpp"
#include "pp/error.hpp"

namespace pp::ppserver {

/// The port cannot be had: exit status 69. One line that says what to do.
class cannot_listen : public error {
 public:
  explicit cannot_listen(const std::string& text) : error(errc::no_nodes, text) {}
};

class listener {
 public:
  using handover = std::function<void(net::tcp::socket)>;

  /// Binds and listens at once. `port` 0: a free one. With `may_skip`, addresses that cannot be had are left out as long as one
  /// is left (a machine without IPv6). Throws: cannot_listen.
  listener(const net::executor& ex, const std::vector<net::ip::address>& addresses, std::uint16_t port, bool may_skip);

  std::uint16_t port() const { return port_; }
  const std::vector<net::ip::address>& addresses() const { return addresses_; }

  /// Accepts until close(); everything that comes goes to `to`.
  void start(handover to);
  /// Nothing new comes in from here on.
  void stop();
  net::awaitable<void> close();

 private:
  bool open_all(const std::vector<net::ip::address>& addresses, std::uint16_t port, bool may_skip);
  void open_one(const net::ip::address& address);
  net::awaitable<void> accept_from(net::tcp::acceptor& from);

  net::executor executor_;
  net::task_group tasks_;
  std::vector<net::tcp::acceptor> acceptors_;
  std::vector<net::ip::address> addresses_;
  std::uint16_t port_ = 0;
  handover to_;
};

}  // namespace pp::ppserver
