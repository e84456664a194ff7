// Nodes of a test's own: one keyring, one discovery port, every path temporary, nothing beyond the loopback interface.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <pp/pp.hpp>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::test {

/// One running ppserver. Killed when it goes.
class node {
 public:
  struct parameters {
    std::string name = "node";
    unsigned workers = 2;
    std::vector<std::string> extra;                  ///< further arguments
    std::map<std::string, std::string> environment;  ///< replaces the cluster's
    std::vector<std::string> prefix;                 ///< a program that starts it, such as `ip netns exec …`
    std::uint16_t port = 0;
    bool wait_until_ready = true;
  };

  /// `caches` is where its cache is made, `directory` where its output is kept.
  node(const std::filesystem::path& directory, const std::filesystem::path& caches,
       std::map<std::string, std::string> environment, const parameters& p);

  /// Fails the test if the ready line does not come.
  void wait_until_ready();
  bool is_ready() const;
  /// From the ready line: "127.0.0.1:41234", 32 hexadecimal digits, and the number after the colon.
  const std::string& address() const { return address_; }
  const std::string& id() const { return id_; }
  std::uint16_t port() const;
  const std::string& name() const { return name_; }

  child_process& process() { return *process_; }
  void kill() { process_->signal(SIGKILL), process_->wait(); }
  void stop() { process_->signal(SIGSTOP); }
  void resume() { process_->signal(SIGCONT); }
  void terminate() { process_->signal(SIGTERM); }
  std::vector<pid_t> workers() const;
  std::string log() const { return process_->err(); }
  const std::filesystem::path& cache_directory() const { return cache_; }

 private:
  std::string name_;
  std::filesystem::path cache_;
  std::unique_ptr<child_process> process_;
  std::string address_, id_;
};

class cluster {
 public:
  cluster();

  /// What every program of this cluster gets as environment.
  const std::map<std::string, std::string>& environment() const { return environment_; }
  void set(const std::string& name, const std::string& value) { environment_[name] = value; }
  std::unique_ptr<node> start_node(const node::parameters& p = {}) const;
  std::unique_ptr<node> start_node(const std::string& name, unsigned workers = 2) const;
  /// No local workers; found nodes only; a node that is merely slow, as under a sanitizer on a busy machine, is never
  /// taken for dead.
  pp::options client_options() const;
  /// The same with timers divided by 4, so that a silent node is dead in 2.5 s: for tests of just that.
  pp::options impatient_options() const;
  /// A client program of its own (tests/support/program.hpp) with this cluster's environment.
  child_process::parameters program(const std::string& name) const;
  /// Any other program, likewise.
  child_process::parameters command(std::vector<std::string> arguments) const;

  /// For what a test and its jobs write: no key and no cache lies here, so that jobs may use it (docs/security.md).
  const std::filesystem::path& directory() const { return directory_.path(); }
  std::filesystem::path keyring() const { return private_ / "keyring"; }
  std::uint16_t discovery_port() const { return discovery_port_; }

 private:
  temporary_directory directory_, private_;
  std::uint16_t discovery_port_;
  std::map<std::string, std::string> environment_;
};

/// Waits until the client can use that many nodes; fails the test with the discovery report if it does not.
bool has_nodes(pp::client& client, std::size_t count);

/// The node with that name, the ready one if there are several, or an empty node_info.
pp::node_info find_node(const pp::client& client, const std::string& name);

}  // namespace pp::test
