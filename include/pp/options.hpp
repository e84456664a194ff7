/// Every setting of a client and of a job: unit, default, range, and what a larger value costs.
///
/// Threads: plain values. Every setting that has an environment variable takes it only where the program left the default.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pp/job_ref.hpp"

namespace pp {

/// How many worker processes this machine contributes by itself: a number, or `automatic`.
struct local_workers {
  static constexpr int automatic_value = -1;  ///< what `count` is for automatic()
  /// A number, 0 for none. Range 0..4096.
  constexpr local_workers(int n) : count(n) {}  // NOLINT(google-explicit-constructor): options.local_workers = 4
  /// All effective CPUs, unless a node on this host has announced itself: then 0.
  static constexpr local_workers automatic() { return {automatic_value}; }
  /// True if the number is to be found out.
  constexpr bool is_automatic() const { return count == automatic_value; }
  int count;  ///< of processes, or automatic_value
};

/// What becomes of what a job prints.
enum class output : std::uint8_t {
  usual,  ///< echo, unless options::echo_output is off; then keep
  echo,   ///< get() writes it to this process's stdout and stderr, and future::output() has it
  keep,   ///< future::output() has it
  drop,   ///< it is not sent back
};

/// What keeps the jobs of a node from its user's files, its secret and each other; docs/security.md says what each means.
enum class isolation : std::uint8_t { none = 0, basic = 1, landlock = 2, sandbox = 3 };

/// What an authenticated client may do. A key may allow less than all.
enum class role : std::uint8_t {
  submit = 1,   ///< run jobs
  observe = 2,  ///< ask for statistics only
  admin = 3,    ///< run jobs, and drain nodes
};

/// Every setting of one job. What is left at its default is taken from options::job.
///
/// Values outside their range throw pp::error(errc::bad_option) with the name, from submit() or from the client's
/// constructor.
struct job_options {
  /// Longest run of one attempt, by the clock. 0 = no limit, else 1 ms to 24 days. The job and all processes it started
  /// are ended, and the future fails with errc::timed_out, at once and without another attempt.
  std::chrono::milliseconds timeout{0};
  /// The same for CPU time, its child processes included; looked at every 100 ms.
  std::chrono::milliseconds cpu_time{0};
  /// Most memory of the job with its child processes, in bytes. 0 = what the node allows (ppserver --memory); never more
  /// than that. A job above it is ended and fails with errc::memory_limit; looked at every 100 ms. At least 1 MiB.
  std::uint64_t memory = 0;
  /// Longest encoded result in bytes, 0 = 1 GiB, which is also the most. A longer one fails with errc::result_too_large.
  std::uint64_t max_result = 0;
  /// How often it is started in all if its worker dies, 0 = options::attempts. Range 1..1000. The loss of a node does not
  /// count.
  unsigned attempts = 0;
  /// Once it has begun, or may have, it is never sent again: if what became of it cannot be known, it fails with
  /// errc::outcome_unknown.
  bool at_most_once = false;
  /// It may be run twice at a time on purpose: a copy is started elsewhere when its node is silent, and when nothing is
  /// queued and a slot idles while it runs for more than twice the mean of its function's jobs (50 ms at least, known
  /// after three of them). The first result counts, the other run is ended. Not together with at_most_once.
  bool idempotent = false;
  /// Jobs with more go first, whatever they wait for: here, and on their node. Range -100..100.
  int priority = 0;
  /// For people: in errors, capsules and nodes' statistics. At most 255 bytes.
  std::string label = {};
  /// Jobs to be cancelled or waited for together: client::cancel_group, client::wait. Any text.
  std::string group = {};
  /// Only on the node with this name, id or address; "local" means this machine's own workers.
  std::string node = {};
  /// Only on nodes whose name or address matches one of these patterns ("gpu*, 10.0.0.?"; * ? [] as in a shell); a pattern
  /// behind an exclamation mark excludes ("!slow*").
  std::string nodes = {};
  /// Only on nodes that keep jobs apart at least so well.
  pp::isolation isolation = pp::isolation::none;
  /// What it needs of a node's resources while it runs: {{"gpu", 1}}. It goes only to nodes that declare so much (ppserver
  /// --resource), which run at once no more such jobs than they have of it, whoever submitted them. Names of 1 to 32 of
  /// a-z 0-9 _ . -, numbers 1..65535. For check-outs it is not looked at.
  std::map<std::string, unsigned> resources = {};
  /// Variables that the job sees beside its worker's; gone when it has ended. Names that begin with PP_ or LD_ are
  /// refused. 60 KiB at most in all.
  std::map<std::string, std::string> environment = {};
  /// What becomes of what it prints: to be repeated here, kept, or dropped.
  pp::output output = pp::output::usual;
  /// Jobs that must have ended well before this one begins: client.submit({.after = {a, b}}, f), with a and b futures of the
  /// same client. If one fails, this one fails with errc::dependency_failed. Not in options::job.
  std::vector<job_ref> after = {};
};

/// Every setting of one client. Values outside their range throw pp::error(errc::bad_option) from its constructor.
struct options {
  /// Worker processes on this machine: automatic, a number, or 0 = nodes only. Range 0..4096. $PP_LOCAL_WORKERS.
  pp::local_workers local = pp::local_workers::automatic();

  /// Nodes to use besides those found, as "host", "host:port" or "[v6]:port"; the default port is 60000. Names are
  /// resolved again at each new connection. Entries with * or ? are patterns instead: if there are any, then of the nodes
  /// found only those are used whose name, id or address matches one ("lab-*", "10.0.*.*"). $PP_NODES (comma list) is added.
  std::vector<std::string> nodes;

  /// Patterns (* ? [] as in a shell) of names, ids and addresses of nodes that are never used, found or named. One that is
  /// known by its name only is asked for it first, and sent nothing.
  std::vector<std::string> exclude;

  /// How many jobs nodes get, relative to what their slots and speed would give them: {{"big*", 2.0}}. By patterns as in
  /// `exclude`; the weights of all that match a node are multiplied. It orders what nodes have in their queues: free slots
  /// of any node are filled first. Range 0.1..100.
  std::map<std::string, double> weights;

  /// Look for nodes by UDP broadcast. Off: `nodes` and local workers only. $PP_DISCOVERY=off.
  bool discovery = true;

  /// Interfaces (names or addresses, comma list) to ask on; empty = all. "lo" asks 127.255.255.255. $PP_INTERFACES.
  std::string interfaces;

  /// UDP port nodes listen on for queries. Range 1..65535. $PP_DISCOVERY_PORT.
  std::uint16_t discovery_port = 60000;

  /// The keyring: a path, "-" for standard input or "fd:N"; empty = the usual places (docs/operations.md). $PP_SECRET_FILE.
  /// A client that finds no keyring uses local workers only, and says so when it has none.
  std::string secret_file;

  /// How long there may be nothing to run on before the jobs that wait for it fail with errc::no_nodes (or unfit_node, or
  /// refused, if that is why); counted from the moment when nothing could run them. Default 10 s; zero = for ever.
  std::chrono::milliseconds no_nodes_timeout = std::chrono::seconds(10);

  /// How long a connection attempt (TCP, TLS and proof) may take. Default 8 s. Looking up a name is the system's affair:
  /// where it hangs, so does that attempt, and close() waits for it.
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(8);

  /// Heartbeats go out this often. Default 2 s; more saves next to nothing and finds dead nodes later.
  std::chrono::milliseconds heartbeat = std::chrono::seconds(2);
  /// A node silent for this long gets no new jobs. Default 6 s.
  std::chrono::milliseconds suspect_after = std::chrono::seconds(6);
  /// A node silent for this long is dead and its jobs run elsewhere. Default 10 s; must exceed 2 × heartbeat.
  std::chrono::milliseconds dead_after = std::chrono::seconds(10);

  /// A job whose worker died is tried this often in all before it fails with errc::worker_crashed. Default 3, range 1..1000.
  /// The loss of a node does not count.
  unsigned attempts = 3;

  /// submit() blocks while the arguments of jobs not yet done take more than this. Default 1 GiB. One job may always be
  /// in flight, however large.
  std::size_t max_pending_bytes = std::size_t{1} << 30U;

  /// How long the client's own threads and idle local workers look for work before they sleep: shortens round trips
  /// several times over while a core is idle, and ends by itself where it does not pay. Default 100 µs, range 0..10000;
  /// zero = never. $PP_SPIN (microseconds). Nodes have their own (ppserver --spin).
  std::chrono::microseconds spin = std::chrono::microseconds(100);

  /// get() writes what the job printed to this process's stdout and stderr, as Parallel Python does. Default on.
  bool echo_output = true;

  /// What holds for every job that does not say otherwise.
  job_options job;

  /// A job that crashed, was ended for a limit, or threw is saved here as a capsule, one file each (the first 1,000 of a
  /// client), for `ppclient replay FILE`: its arguments, environment and report. Empty = not. The directory must exist;
  /// files are readable by this user only.
  std::string capsule_dir;

  /// Results are kept in this file (SQLite), so that they survive the death of this program: the same program started
  /// again takes the results of the same calls from there and runs only the rest. A call is the same if the program
  /// (byte for byte), function and arguments are, and it is the how-manieth of that kind; futures tell the node
  /// "journal". Errors are not kept. What was done less than 100 ms before the program died may run again. One client at
  /// a time; the file only grows: remove it when the batch is done. Empty = none. docs/journal.md tells the rest.
  std::string journal;

  /// Called with each exception that leaves a callback (future::then, on_done, or a coroutine that goes on there), on the
  /// callback thread. Default: it is only logged and counted. Must not throw.
  std::function<void(std::exception_ptr)> on_callback_error;

  /// Programs of 1 MiB and more are sent to one node, and nodes of the same key that are near it fetch them there. Off:
  /// this client sends them to every node itself.
  bool peer_transfer = true;

  /// Run once in each worker process before its first job of this client, in that job's time: a function or captureless
  /// lambda. What it throws fails that job with errc::job_threw, in whose text it is named; the next job tries again.
  void (*worker_init)() = nullptr;

  /// What this machine's own workers have for job_options::resources.
  std::map<std::string, unsigned> resources;

  /// What this client asks nodes to be allowed to do.
  pp::role role = pp::role::submit;
};

/// Every setting of client::map.
struct map_options {
  /// Items that travel together as one job. 0 = automatic: few at first, then as many as take some milliseconds, never so
  /// many that slots idle at the end; with options::journal always the same number for ranges of the same length. Range
  /// 0..2^30; a larger number saves overhead and costs balance.
  std::size_t chunk = 0;

  /// Of the jobs that carry the items: its times, memory and longest result are those of a chunk, not of an item.
  job_options job = {};
};

}  // namespace pp
