// What looking for nodes did and saw, for the moment when nothing is found. Pure.
//
// Promises: nothing a stranger sent gets in but key ids as hexadecimal digits; names are genuine (they were under a
// MAC) and made printable; every list is bounded. Must not know: sockets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "discovery/directory.hpp"

namespace pp::discovery {

struct report {
  struct asked_interface {
    std::string text;  ///< "eth0 (10.0.0.255)"
    std::uint64_t queries = 0;
    std::uint64_t failed = 0;  ///< the kernel refused to send
  };
  std::vector<asked_interface> interfaces;
  std::uint16_t port = 0;
  std::string key_id;  ///< 16 hexadecimal digits
  bool listening = false;
  std::string why_not_listening;

  std::uint64_t received = 0;   ///< datagrams in all, without the queries of clients
  std::uint64_t accepted = 0;   ///< genuine and fresh
  std::uint64_t other_key = 0;  ///< sealed with a key that is not ours
  std::uint64_t wrong_mac = 0;
  std::uint64_t malformed = 0;
  std::uint64_t replayed = 0;  ///< also replies to no question of ours
  std::uint64_t wrong_clock = 0;
  std::uint64_t not_selected = 0;           ///< dropped unread: came in on an interface that is not selected
  std::uint64_t no_address = 0;             ///< genuine, but without an address that can be reached from here
  std::vector<std::string> other_key_ids;   ///< at most 8
  std::vector<std::string> clock_warnings;  ///< by name, at most 64
  std::vector<std::string> version_warnings;

  /// Everything that was not accepted and not of another key.
  std::uint64_t rejected() const { return wrong_mac + malformed + replayed + wrong_clock; }
  /// Lines that need a person: what is wrong, and what to do.
  std::vector<std::string> remarks() const;
  /// All of it, in lines.
  std::string text() const;
};

/// "node 'a' (10.0.0.7:60000): its clock is 3 h ahead of this machine's; …"
std::string clock_warning(const std::string& name, const std::string& where, std::int64_t offset_ms);
/// "" if both ranges have a version in common.
std::string version_warning(const found_node& node, std::uint8_t own_min, std::uint8_t own_max);
/// Control bytes, quotes and everything above ASCII as \xNN.
std::string printable(const std::string& text);

}  // namespace pp::discovery
