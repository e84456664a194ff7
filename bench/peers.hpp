// Other job servers, each run by a program of its own that answers a line with a number (bench/peer_main.hpp says which lines).
//
// A peer that is not installed is simply not there: the rows that need it have no figures of others.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/server.hpp"

namespace bench {

struct peer {
  std::string name;
  std::vector<std::string> command;
};

/// "ZeroMQ, credit 200" and the like: those that were built or are installed here.
std::vector<peer> installed_peers();
/// Starts it and waits until it is ready; null if there is none of that name.
std::unique_ptr<background_program> start_peer(const std::string& name);
/// Python's multiprocessing.Pool with two processes; null without python3.
inline std::unique_ptr<background_program> start_pool() { return start_peer("Pool"); }

}  // namespace bench
