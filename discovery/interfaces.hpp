// Which network interfaces this machine has, and which of them a node or client uses.
//
// Promises: one choice restricts listening, announcing, asking and accepting alike (PP_INTERFACES, -i). select_from()
// is pure; only list_interfaces() and the environment functions look at the machine. Threads: any, values.
// Must not know: nodes, keys.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/asio.hpp"

namespace pp::discovery {

/// Where nodes listen for queries and clients for announcements.
inline constexpr std::uint16_t default_port = 60000;

struct interface_address {
  net::ip::address address;
  unsigned prefix = 0;  ///< bits of the network part
  std::optional<net::ip::address_v4> broadcast;
};

/// One interface of this machine as the kernel tells it.
struct interface {
  unsigned index = 0;
  std::string name;
  bool up = false;
  bool loopback = false;
  std::vector<interface_address> addresses;
};

/// All interfaces of this machine. Throws: pp::error(errc::bad_option) if the kernel refuses to tell.
std::vector<interface> list_interfaces();

/// An interface that is used, and what is said on it.
struct selected_interface {
  struct broadcast {
    net::ip::address_v4 from, to;
  };
  unsigned index = 0;
  std::string name;
  bool loopback = false;
  std::vector<net::ip::address> addresses;  ///< listened on; IPv4 first
  std::vector<broadcast> broadcasts;        ///< empty for an interface that cannot broadcast: it only answers

  /// "eth0 (10.0.0.255)"
  std::string text() const;
};

/// What a wish means on this machine now.
struct selection {
  std::string wish;            ///< as given; empty = every interface that is up
  std::string broadcast_wish;  ///< as given; empty = what the interfaces say
  std::vector<selected_interface> interfaces;
  std::vector<interface> machine;  ///< all of them, for is_own_address()

  bool everything() const { return wish.empty(); }
  /// Addresses to listen on for TCP: 0.0.0.0 and :: (the latter IPv6 only) for everything, else each selected address.
  std::vector<net::ip::address> listen_addresses() const;
  /// The selected interface with this kernel index, or null.
  const selected_interface* find(unsigned index) const;
  /// Whether a datagram that came in on `index` for address `to` is to be looked at. A datagram of this machine to
  /// itself comes in on loopback, whatever interface its address belongs to.
  const selected_interface* accept(unsigned index, const net::ip::address_v4& to) const;
  /// True for every address of this machine, selected or not, and for all of 127.0.0.0/8 and ::1.
  bool is_own_address(const net::ip::address& address) const;
};

/// `wish`: comma list of interface names and addresses of this machine; "" = all that are up, loopback too, so that a
/// node and a client on one machine without a network find each other. `broadcasts`: comma list of IPv4 addresses to
/// send to instead of the interfaces' own (each goes out where it belongs, or else on every selected interface but
/// loopback).
///
/// Throws: pp::error(errc::bad_option) with one line that names the wrong part and lists what there is.
selection select_from(std::vector<interface> machine, std::string_view wish, std::string_view broadcasts = {});
/// select_from() this machine's interfaces as they are now.
selection select_interfaces(std::string_view wish, std::string_view broadcasts = {});
/// Looks again: addresses come and go with cables and leases. Parts of the wish that are missing for now are left out
/// instead of refused; true if anything differs from before.
bool refresh(selection& s);
/// The pure half of refresh().
selection select_present(std::vector<interface> machine, std::string_view wish, std::string_view broadcasts);

/// "lo (127.255.255.255), eth0 (10.0.0.255)", or "none".
std::string text_of(const selection& s);

/// $PP_INTERFACES, or "".
std::string wish_from_environment();
/// $PP_DISCOVERY_PORT, or `otherwise`. Throws: pp::error(errc::bad_option) if it is no port.
std::uint16_t port_from_environment(std::uint16_t otherwise = default_port);

}  // namespace pp::discovery
