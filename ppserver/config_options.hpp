// What the options write to before it becomes a config; for config.cpp and config_workers.cpp only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ppserver/config.hpp"

namespace pp::ppserver {

/// The numbers and words as the options give them, before they become a config.
struct raw_options {
  config settings;
  std::string config_file;
  std::vector<std::string> interfaces, broadcasts;
  bool debug = false, automatic = false, recycle = false, no_discovery = false, no_peer_transfer = false;
  std::optional<std::string> pickle_protocol, socket_timeout;
  unsigned workers = 0;
  std::optional<std::uint64_t> memory;
  std::vector<std::string> shares;
  std::vector<std::string> resources;
  std::uint64_t restart_s = 3600, warm_s = 60;
  std::uint64_t idle_s = 0, drain_s = 60, heartbeat_ms = 2000, dead_ms = 10000, spin_us = 100;
  std::string log_level = "info", log_format = "text", isolate = "basic";
};

/// The options about workers and what they may do.
void add_worker_options(CLI::App& app, raw_options& o);
/// Turns those into settings.
void finish_worker_options(const raw_options& o, config& s);

}  // namespace pp::ppserver
