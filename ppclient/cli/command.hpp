// What the subcommands of ppclient share: the options they all take, how a client is made from them, and exit statuses.
//
// Must not know: anything of pp but <pp/…>. Jobs of ppclient run on nodes alone: it has no local workers.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include <pp/pp.hpp>

namespace ppclient {

/// The values of sysexits.h, as --help documents them.
enum exit_status : int {
  done = 0,
  usage = 64,
  bad_data = 65,
  unavailable = 69,
  job_failed = 70,
  bad_configuration = 78
};

/// Options of every subcommand; what is left empty comes from the environment, as in any pp program.
struct common_options {
  std::string interfaces;
  std::string secret_file;
  std::vector<std::string> nodes;
  int discovery_port = 0;
  double wait_seconds = 3;
};

/// Prints JSON if asked for; tables otherwise.
struct output_options {
  bool json = false;
};

pp::options to_client_options(const common_options& o);

/// Waits until every node that can be found was, or until the time is over. False if there is none.
bool look_for_nodes(pp::client& client, const common_options& o);

/// Says on stderr why nothing was found: which interfaces, which key, what was heard. Returns exit_status::unavailable.
int tell_nothing_found(const pp::client& client);

/// Every subcommand adds itself to the application; `chosen` is called after parsing. One file each.
using action = std::function<int()>;
void add_call(CLI::App& app, common_options& common, action& chosen);
void add_functions(CLI::App& app, common_options& common, action& chosen);
void add_drain(CLI::App& app, common_options& common, action& chosen);
void add_nodes(CLI::App& app, common_options& common, action& chosen);
void add_ping(CLI::App& app, common_options& common, action& chosen);
void add_stats(CLI::App& app, common_options& common, action& chosen);
void add_replay(CLI::App& app, common_options& common, action& chosen);

/// Text that came from a peer, safe for a terminal: control bytes and what is above ASCII become \xNN.
std::string printable(const std::string& text);

}  // namespace ppclient
