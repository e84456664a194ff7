#include "discovery/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "pp/error.hpp"

namespace pp::discovery {
namespace {

using net::ip::address;
using net::ip::address_v4;
using net::ip::address_v6;

address_v4 v4_of(const sockaddr* from) {
  sockaddr_in in{};
  std::memcpy(&in, from, sizeof in);
  return address_v4(ntohl(in.sin_addr.s_addr));
}

address_v6 v6_of(const sockaddr* from) {
  sockaddr_in6 in{};
  std::memcpy(&in, from, sizeof in);
  address_v6::bytes_type bytes{};
  std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
  return address_v6(bytes, in.sin6_scope_id);
}

unsigned ones(const address_v6& mask) {
  unsigned count = 0;
  for (const auto byte : mask.to_bytes()) count += static_cast<unsigned>(std::popcount(byte));
  return count;
}

address_v4 last_of(const address_v4& network, unsigned prefix) {
  const auto host_bits = prefix >= 32 ? 0U : ~0U >> prefix;
  return address_v4(network.to_uint() | host_bits);
}

// An address added without a broadcast address (`ip addr add` without brd) has one all the same: the kernel routes it.
std::optional<address_v4> broadcast_of(const ifaddrs& a, const address_v4& own, unsigned prefix) {
  if ((a.ifa_flags & IFF_LOOPBACK) != 0) {
    return own.is_loopback() ? std::optional(address_v4(0x7fffffff)) : std::nullopt;
  }
  if ((a.ifa_flags & IFF_BROADCAST) == 0 || prefix > 30) return std::nullopt;
  const auto told = a.ifa_broadaddr != nullptr ? v4_of(a.ifa_broadaddr) : address_v4();
  return told.is_unspecified() || told == own ? last_of(own, prefix) : told;
}

void add_address(interface& to, const ifaddrs& a) {
  if (a.ifa_addr->sa_family == AF_INET) {
    const auto own = v4_of(a.ifa_addr);
    const auto mask = a.ifa_netmask != nullptr ? v4_of(a.ifa_netmask).to_uint() : ~0U;
    const auto prefix = static_cast<unsigned>(std::popcount(mask));
    to.addresses.push_back({own, prefix, broadcast_of(a, own, prefix)});
  } else if (a.ifa_addr->sa_family == AF_INET6) {
    const auto prefix = a.ifa_netmask != nullptr ? ones(v6_of(a.ifa_netmask)) : 128U;
    to.addresses.push_back({v6_of(a.ifa_addr), prefix, std::nullopt});
  }
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    std::string part(list.substr(0, comma));
    part.erase(0, part.find_first_not_of(" \t"));
    part.erase(part.find_last_not_of(" \t") + 1);
    if (!part.empty()) parts.push_back(std::move(part));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

std::string what_there_is(const std::vector<interface>& machine) {
  std::string out;
  for (const auto& i : machine) {
    if (!out.empty()) out += ", ";
    out += i.name + (i.up ? "" : " (down)");
    std::string inside;
    for (const auto& a : i.addresses) inside += (inside.empty() ? "" : ", ") + a.address.to_string();
    if (!inside.empty()) out += " (" + inside + ")";
  }
  return out.empty() ? "nothing" : out;
}

[[noreturn]] void refuse(const std::string& why) { throw error(errc::bad_option, why); }

std::optional<address> parse_address(const std::string& text) {
  boost::system::error_code bad;
  const auto parsed = net::ip::make_address(text, bad);
  return bad ? std::nullopt : std::optional(parsed);
}

// The same address whatever scope it was written with.
bool same(const address& a, const address& b) {
  if (a.is_v6() && b.is_v6()) return a.to_v6().to_bytes() == b.to_v6().to_bytes();
  return a == b;
}

// Turns a wish into interfaces. `strict` refuses what is missing; otherwise it is left out for now.
class chooser {
 public:
  chooser(const std::vector<interface>& machine, bool strict) : machine_(machine), strict_(strict) {}

  void choose_all() {
    for (const auto& i : machine_) {
      if (i.up && !i.addresses.empty()) choose_interface(i);
    }
  }
  void choose(const std::string& part) {
    for (const auto& i : machine_) {
      if (i.name == part) return choose_named(i);
    }
    const auto wanted = parse_address(part);
    if (wanted && choose_address(*wanted)) return;
    if (strict_) {
      refuse("there is no interface or address '" + part + "': this machine has " + what_there_is(machine_));
    }
  }
  std::vector<selected_interface> take() {
    std::vector<selected_interface> out;
    for (auto& [index, chosen] : chosen_) out.push_back(std::move(chosen));
    return out;
  }

 private:
  void choose_named(const interface& i) {
    if (i.up && !i.addresses.empty()) return choose_interface(i);
    if (!strict_) return;
    refuse("interface '" + i.name + "' " + (i.up ? "has no address" : "is down") +
           ": bring it up, or choose another; this machine has " + what_there_is(machine_));
  }
  void choose_interface(const interface& i) {
    for (const auto& a : i.addresses) add(i, a);
  }
  bool choose_address(const address& wanted) {
    for (const auto& i : machine_) {
      if (!i.up) continue;
      for (const auto& a : i.addresses) {
        if (same(a.address, wanted)) return add(i, a);
      }
      // All of 127.0.0.0/8 is this machine, though only 127.0.0.1 is listed.
      if (i.loopback && wanted.is_v4() && wanted.is_loopback()) return add(i, {wanted, 8, address_v4(0x7fffffff)});
    }
    return false;
  }
  bool add(const interface& i, const interface_address& a) {
    auto& to = chosen_[i.index];
    to.index = i.index;
    to.name = i.name;
    to.loopback = i.loopback;
    if (std::find(to.addresses.begin(), to.addresses.end(), a.address) != to.addresses.end()) return true;
    const auto is_v6 = [](const address& x) { return x.is_v6(); };
    const auto first_v6 = std::find_if(to.addresses.begin(), to.addresses.end(), is_v6);
    to.addresses.insert(a.address.is_v4() ? first_v6 : to.addresses.end(), a.address);
    if (a.broadcast) add_broadcast(to, {a.address.to_v4(), *a.broadcast});
    return true;
  }
  static void add_broadcast(selected_interface& to, const selected_interface::broadcast& b) {
    for (const auto& known : to.broadcasts) {
      if (known.to == b.to) return;
    }
    to.broadcasts.push_back(b);
  }

  const std::vector<interface>& machine_;
  bool strict_;
  std::map<unsigned, selected_interface> chosen_;
};

// The IPv4 address of `i` whose network holds `to`.
std::optional<address_v4> source_towards(const selected_interface& i, const selection& s, const address_v4& to) {
  for (const auto& real : s.machine) {
    if (real.index != i.index) continue;
    for (const auto& a : real.addresses) {
      if (!a.address.is_v4() || last_of(a.address.to_v4(), a.prefix) != last_of(to, a.prefix)) continue;
      const bool chosen = std::find(i.addresses.begin(), i.addresses.end(), a.address) != i.addresses.end();
      return chosen || !i.addresses.front().is_v4() ? a.address.to_v4() : i.addresses.front().to_v4();
    }
  }
  return std::nullopt;
}

bool send_where_it_belongs(selection& s, const address_v4& to) {
  for (auto& i : s.interfaces) {
    if (i.addresses.empty() || !i.addresses.front().is_v4()) continue;
    if (const auto from = source_towards(i, s, to)) {
      i.broadcasts.push_back({*from, to});
      return true;
    }
  }
  return false;
}

bool send_everywhere(selection& s, const address_v4& to) {
  bool any = false;
  for (auto& i : s.interfaces) {
    if (i.loopback || i.addresses.empty() || !i.addresses.front().is_v4()) continue;
    i.broadcasts.push_back({i.addresses.front().to_v4(), to});
    any = true;
  }
  return any;
}

void replace_broadcasts(selection& s, bool strict) {
  const auto wishes = split(s.broadcast_wish);
  if (wishes.empty()) return;
  for (auto& i : s.interfaces) i.broadcasts.clear();
  for (const auto& text : wishes) {
    const auto to = parse_address(text);
    if (!to || !to->is_v4()) refuse("the broadcast address '" + text + "' is not an IPv4 address such as 10.0.0.255");
    if (send_where_it_belongs(s, to->to_v4()) || send_everywhere(s, to->to_v4()) || !strict) continue;
    refuse("no selected interface can send to the broadcast address " + text +
           ": select one with -i or PP_INTERFACES; this machine has " + what_there_is(s.machine));
  }
}

selection select(std::vector<interface> machine, std::string_view wish, std::string_view broadcasts, bool strict) {
  selection s;
  s.wish = wish;
  s.broadcast_wish = broadcasts;
  s.machine = std::move(machine);
  chooser choice(s.machine, strict);
  const auto parts = split(wish);
  if (parts.empty()) {
    s.wish.clear();
    choice.choose_all();
  }
  for (const auto& part : parts) choice.choose(part);
  s.interfaces = choice.take();
  replace_broadcasts(s, strict);
  return s;
}

std::string fingerprint(const selection& s) {
  std::string out;
  for (const auto& i : s.interfaces) {
    out += std::to_string(i.index) + i.text();
    for (const auto& a : i.addresses) out += ' ' + a.to_string();
    for (const auto& b : i.broadcasts) out += ' ' + b.from.to_string();
  }
  return out;
}

}  // namespace

std::vector<interface> list_interfaces() {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) {
    refuse(std::string("cannot list this machine's network interfaces: ") + std::strerror(errno));
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(raw, &freeifaddrs);
  std::map<unsigned, interface> found;
  for (const auto* a = raw; a != nullptr; a = a->ifa_next) {
    // An old-style alias ("eth0:1") is a label on an address of eth0, not an interface.
    const std::string name(a->ifa_name, std::strcspn(a->ifa_name, ":"));
    const auto index = if_nametoindex(name.c_str());
    if (index == 0) continue;  // gone since
    auto& i = found[index];
    i.index = index;
    i.name = name;
    i.up = (a->ifa_flags & IFF_UP) != 0;
    i.loopback = (a->ifa_flags & IFF_LOOPBACK) != 0;
    if (a->ifa_addr != nullptr) add_address(i, *a);
  }
  std::vector<interface> out;
  for (auto& [index, i] : found) out.push_back(std::move(i));
  return out;
}

std::string selected_interface::text() const {
  std::string inside;
  for (const auto& b : broadcasts) inside += (inside.empty() ? "" : ", ") + b.to.to_string();
  return name + " (" + (inside.empty() ? "no broadcast" : inside) + ")";
}

std::vector<address> selection::listen_addresses() const {
  if (everything()) return {address_v4::any(), address_v6::any()};
  std::vector<address> out;
  for (const auto& i : interfaces) out.insert(out.end(), i.addresses.begin(), i.addresses.end());
  return out;
}

const selected_interface* selection::find(unsigned index) const {
  for (const auto& i : interfaces) {
    if (i.index == index) return &i;
  }
  return nullptr;
}

const selected_interface* selection::accept(unsigned index, const address_v4& to) const {
  if (const auto* direct = find(index)) return direct;
  const auto arrived = std::find_if(machine.begin(), machine.end(), [&](const auto& i) { return i.index == index; });
  if (arrived == machine.end() || !arrived->loopback) return nullptr;
  for (const auto& i : interfaces) {
    if (std::find(i.addresses.begin(), i.addresses.end(), address(to)) != i.addresses.end()) return &i;
  }
  return nullptr;
}

bool selection::is_own_address(const address& wanted) const {
  if (wanted.is_loopback()) return true;
  for (const auto& i : machine) {
    for (const auto& a : i.addresses) {
      if (same(a.address, wanted)) return true;
    }
  }
  return false;
}

selection select_from(std::vector<interface> machine, std::string_view wish, std::string_view broadcasts) {
  return select(std::move(machine), wish, broadcasts, true);
}

selection select_interfaces(std::string_view wish, std::string_view broadcasts) {
  return select_from(list_interfaces(), wish, broadcasts);
}

selection select_present(std::vector<interface> machine, std::string_view wish, std::string_view broadcasts) {
  return select(std::move(machine), wish, broadcasts, false);
}

bool refresh(selection& s) {
  auto again = select_present(list_interfaces(), s.wish, s.broadcast_wish);
  const bool differs = fingerprint(again) != fingerprint(s);
  s = std::move(again);
  return differs;
}

std::string text_of(const selection& s) {
  std::string out;
  for (const auto& i : s.interfaces) out += (out.empty() ? "" : ", ") + i.text();
  return out.empty() ? "none" : out;
}

std::string wish_from_environment() {
  const char* wish = std::getenv("PP_INTERFACES");
  return wish != nullptr ? wish : "";
}

std::uint16_t port_from_environment(std::uint16_t otherwise) {
  const char* text = std::getenv("PP_DISCOVERY_PORT");
  if (text == nullptr || *text == '\0') return otherwise;
  std::uint16_t port = 0;
  const auto* end = text + std::strlen(text);
  const auto [stop, bad] = std::from_chars(text, end, port);
  if (bad != std::errc() || stop != end || port == 0) {
    refuse(std::string("PP_DISCOVERY_PORT is '") + text + "': give a port number from 1 to 65535");
  }
  return port;
}

}  // namespace pp::discovery
