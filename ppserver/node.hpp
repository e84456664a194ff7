// Accepts, owns the sessions, shuts down in two steps.
//
// Shutdown: the first SIGTERM or SIGINT stops announcing and accepting, says GOODBYE, gives back what has not begun, and waits
// for what runs, at most --drain-timeout; then workers end and run() returns. A second signal skips the wait. SIGUSR1 prints
// statistics, SIGHUP reads the keyring again and sends away whose key is gone.
// Promises: run() returns with nothing left running. Threads: the I/O thread only.
// Must not know: argument lists, exit statuses.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "auth/keyring.hpp"
#include "discovery/announcer.hpp"
#include "ppserver/config.hpp"
#include "ppserver/door.hpp"
#include "ppserver/listener.hpp"
#include "ppserver/session.hpp"
#include "ppserver/statistics.hpp"
#include "worker/job_directory.hpp"

namespace pp::ppserver {

class node {
 public:
  /// Opens the store, listens, and binds the discovery port. `source` is where `keys` came from, for SIGHUP.
  /// Throws: cannot_listen, or pp::error in words for what is wrong with the settings.
  node(net::io_context& io, config settings, auth::key_source source, auth::loaded_keyring keys,
       const auth::admission::limits& door_limits = {});
  ~node();

  /// HOST:PORT, as the ready line tells it.
  std::string address() const;
  std::uint16_t port() const { return listener_.port(); }

  /// Serves until told to stop, and cleans up.
  net::awaitable<void> run();
  /// What a signal does: the first call begins to drain, the second skips waiting for jobs.
  void stop();
  /// The same, with a limit of its own for this time; 0 = --drain-timeout.
  void drain(std::chrono::milliseconds limit);

  std::size_t sessions() const { return sessions_.size(); }
  node_numbers numbers() const;
  /// What jobs are kept from here, as far as the kernel can.
  const worker::isolation& isolation() const { return isolation_; }

 private:
  struct identity {
    auth::node_id id{};
    std::array<std::uint8_t, 16> boot{};
  };
  static identity make_identity(const config& settings);
  discovery::node_state announced_state() const;
  void start();
  void say_isolation() const;
  void say_ready() const;
  void on_connection(net::tcp::socket socket);
  net::awaitable<void> serve(net::tcp::socket socket);
  net::awaitable<void> serve_guest(door::guest guest);
  net::awaitable<void> watch_signals();
  net::awaitable<void> watch_idleness();
  net::awaitable<void> shut_down();
  net::awaitable<void> wait_for_jobs();
  net::awaitable<void> wait_until_idle();
  void print_statistics() const;
  void reload_keys();
  net::awaitable<void> forget_keys(auth::keyring retired);

  net::io_context& io_;
  const config settings_;
  const auth::key_source source_;
  const std::string key_origin_;
  const bool is_weak_;  ///< so it is on loopback only
  const worker::launch_settings launch_;
  const worker::isolation isolation_;
  std::string cgroup_ = "off";  ///< whether workers have some, in words
  auth::keyring keys_;
  const identity self_;
  const discovery::selection where_;
  const time_point began_ = now();

  code::store programs_;
  offers offers_;
  peers peers_;
  std::shared_ptr<worker::job_directories> directories_;
  worker::fair_share shares_;
  listener listener_;
  door door_;
  std::unique_ptr<discovery::announcer> announcer_;
  // Made by start(): a pool must be closed before it goes, so there is none while the constructor or its caller may fail.
  std::unique_ptr<worker::pool> jobs_;
  std::unique_ptr<surroundings> around_;

  net::task_group connections_;  ///< strangers, then their sessions
  net::task_group tasks_;        ///< signals, announcing, idleness
  net::signal_set signals_;
  net::steady_timer stop_wanted_;  ///< never fires; cancelled by the first stop()
  net::steady_timer
      jobs_awaited_;  ///< fires at the end of the drain time; cancelled when no job runs, or by a second stop()
  std::map<std::uint64_t, session*> sessions_;
  std::uint64_t sessions_ever_ = 0;
  time_point idle_since_ = now();
  unsigned stops_ = 0;
  std::chrono::milliseconds drain_limit_;
  bool is_idle_ = false;  ///< while draining: no job is left
};

}  // namespace pp::ppserver
