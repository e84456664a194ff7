// Every flag of the daemon, its default and its check.
//
// Promises: flags win over the configuration file, which wins over environment variables, which win over the defaults; a
// mistake on the command line is told apart (status 64) from one in the file (78). Looks at the command line, the
// environment, and the file named by -c, and changes nothing. docs/operations.md has the same table; a test compares them.
// Must not know: sockets, keys, what a setting does.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "wire/terms.hpp"
#include "worker/isolation.hpp"
#include "worker/road.hpp"

namespace CLI {
class App;
}

namespace pp::ppserver {

/// The exit statuses that --help promises; the numbers are those of sysexits.h.
enum exit_status : int { exit_done = 0, exit_usage = 64, exit_unavailable = 69, exit_config = 78 };

struct config {
  // Who may come in.
  std::optional<std::string> secret_file;
  std::optional<std::string> inline_secret;
  bool no_inline_secret = false;
  bool allow_weak_secret = false;

  // Where it listens and what it announces.
  std::string interfaces;  ///< comma list, empty = all
  std::string broadcasts;  ///< comma list, empty = what the interfaces say
  std::uint16_t port = 60000;
  std::uint16_t discovery_port = 60000;
  bool discovery = true;
  bool peer_transfer = true;  ///< content goes to and comes from other nodes of the same key
  std::string name;

  // Jobs.
  unsigned workers = 1;
  std::vector<wire::resource> resources;  ///< what jobs may ask for; names ascending
  unsigned recycle_after = 0;
  std::uint64_t memory = 0;  ///< bytes that a worker may use with all that its job started, 0 = no limit
  std::uint64_t output_limit = 1ULL << 20U;  ///< bytes kept of each stream of a job
  unsigned restart_limit = 1000;
  std::chrono::seconds restart_window{3600};
  std::chrono::seconds keep_warm{60};                ///< how long idle workers of a program without clients live
  std::map<std::string, std::uint32_t> key_weights;  ///< by key name; 1 for those not here
  worker::road_kind road = worker::road_kind::automatic;
  std::chrono::microseconds spin{100};  ///< 0 = never look for work before sleeping
  std::vector<std::string> pass_environment;
  worker::isolation_level isolate = worker::isolation_level::basic;
  std::string job_user;  ///< empty = the node's own
  int nice = 10;
  std::string job_root;  ///< the workers' directories are made here
  bool use_cgroup = true;
  std::string cache_directory;
  std::uint64_t cache_bytes = 2ULL << 30U;

  // Time.
  std::chrono::seconds idle_timeout{0};  ///< 0 = stay for ever
  std::chrono::seconds drain_timeout{60};
  std::chrono::milliseconds heartbeat{2000};
  std::chrono::milliseconds dead_after{10000};

  // The process.
  std::string pid_file;
  std::string node_id_file;
  log::level log_level = log::level::info;
  log::format log_format = log::format::text;
};

/// What the command line asks for.
struct command_line {
  config settings;
  std::vector<std::string> warnings;  ///< lines for the log, once it is set up
  std::function<int()> command;       ///< a subcommand to run instead of serving; its result is the exit status
};
/// There is nothing to run: print `text` (to standard output if `status` is 0) and exit.
struct stop {
  int status = exit_done;
  std::string text;
};

/// Adds subcommands: each sets its function to what is to be run if it was chosen.
using add_commands = std::function<void(CLI::App&, std::function<int()>&)>;

std::variant<command_line, stop> parse_command_line(int argc, const char* const* argv, const add_commands& add);

/// Overwrites every argument that ends in `secret` with '*', so that ps and /proc do not show it any longer.
void wipe_argument(int argc, char** argv, const std::string& secret);

}  // namespace pp::ppserver
