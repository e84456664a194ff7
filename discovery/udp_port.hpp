// One IPv4 UDP socket for discovery: receives from selected interfaces only, sends on exactly the one it is told.
//
// Promises: a datagram from an interface that is not selected is dropped unread; a send that fails is counted and
// warned about once per interface, never fatal; a flood leaves the rest of the I/O thread its turns. Several sockets of
// one machine, also of several users, may share the port: a broadcast reaches them all. Threads: the I/O thread only.
// Must not know: what a datagram says.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>

#include "base/bytes.hpp"
#include "discovery/interfaces.hpp"
#include "net/asio.hpp"

namespace pp::discovery {

class udp_port {
 public:
  struct datagram {
    /// One byte more than a datagram of ours has, so that a longer one is seen to be longer.
    std::array<std::uint8_t, 257> storage{};
    std::size_t size = 0;
    net::ip::address_v4 from;
    std::uint16_t from_port = 0;
    unsigned interface = 0;  ///< index of the selected interface it belongs to

    byte_view content() const { return {storage.data(), size}; }
  };
  struct destination {
    net::ip::address_v4 to;
    std::uint16_t port = 0;
    unsigned interface = 0;    ///< leaves through this one
    net::ip::address_v4 from;  ///< unspecified: what the kernel chooses
  };
  struct counters {
    std::uint64_t received = 0;      ///< from selected interfaces
    std::uint64_t not_selected = 0;  ///< dropped: came in on another interface
    std::uint64_t sent = 0;
    std::uint64_t send_failed = 0;
  };

  /// Binds 0.0.0.0:`port`, shared; 0 = any free one, not shared. `where` must outlive this and may change.
  /// Throws: pp::error(errc::bad_option) with one line that says what to do.
  udp_port(const net::executor& ex, std::uint16_t port, const selection& where);

  std::uint16_t port() const { return port_; }
  const counters& seen() const { return seen_; }

  /// The next datagram from a selected interface. Throws system_error(operation_aborted) when cancelled or closed.
  net::awaitable<datagram> receive();
  /// False if the kernel refused; that is counted and need not be handled.
  bool send(byte_view content, const destination& to);
  void close() noexcept;

 private:
  enum class outcome { got, dropped, empty };
  outcome read_one(datagram& into);
  void warn_once(const destination& to, int reason);

  const selection& where_;
  net::udp::socket socket_;
  std::uint16_t port_ = 0;
  counters seen_;
  unsigned without_waiting_ = 0;
  std::set<unsigned> warned_;  ///< interface indexes
};

}  // namespace pp::discovery
