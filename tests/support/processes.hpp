// Looking at processes, descriptors and sockets from outside: what the "nothing is left behind" tests compare.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/wait.hpp"

namespace pp::test {

/// Every process below `pid`, children first, at any depth.
std::vector<pid_t> descendants_of(pid_t pid);
bool is_alive(pid_t pid);  ///< a zombie is not alive
/// True if none of them is alive any more within `limit`.
bool wait_until_gone(const std::vector<pid_t>& pids, std::chrono::milliseconds limit = generous);

/// Descriptors this process has open.
std::size_t open_descriptors();
/// Threads this process has.
std::size_t thread_count();

/// True if some socket of this network namespace is bound to the port ("tcp", "tcp6", "udp" or "udp6" of /proc/net).
bool is_port_bound(const std::string& table, std::uint16_t port);
/// A UDP port nobody uses at the moment.
std::uint16_t free_udp_port();
/// A TCP port nobody uses at the moment, on 127.0.0.1.
std::uint16_t free_tcp_port();

}  // namespace pp::test
