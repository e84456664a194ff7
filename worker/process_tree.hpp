// Who descends from whom, as /proc tells it, and the end of a whole tree.
//
// Promises: kill_tree ends everything below a process, also what double-forked, has a session of its own or ignores
// SIGTERM, as long as its nearest living ancestor is in the tree or a subreaper in it: all of it is stopped, round by
// round, until nobody new has appeared, and then killed, so nobody can run away by forking. A process is named by its
// id and its start time, so a number that was used again is never hit. Rounds are bounded.
// Threads: any; it has no state but a path. Must not know: workers, jobs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pp::worker {

/// A process beyond the reuse of its id.
struct process_name {
  pid_t pid = 0;
  std::uint64_t start = 0;  ///< in ticks since the machine's start

  auto operator<=>(const process_name&) const = default;
};

struct process_look {
  process_name name;
  pid_t parent = 0;
  char state = '?';  ///< 'Z': it has ended
};
/// The content of /proc/PID/stat; nullopt if it makes no sense.
std::optional<process_look> parse_stat(std::string_view text);

class process_tree {
 public:
  explicit process_tree(std::string proc = "/proc") : proc_(std::move(proc)) {}

  /// nullopt if there is no such process.
  std::optional<process_look> look(pid_t pid) const;
  std::vector<pid_t> children_of(pid_t pid) const;
  /// All below `root`, parents before their children; without `root`.
  std::vector<process_name> descendants_of(pid_t root) const;
  /// Those of this user that were started with the environment variable `name` set to `value` or to a path below it,
  /// or, if `directory` is not empty, that work in it. Without this process and its ancestors.
  std::vector<process_name> marked(std::string_view name, std::string_view value, std::string_view directory) const;

  /// Sends `signal` to `root` and all below it.
  void signal_tree(pid_t root, int signal) const;
  /// Ends `root` and all below it.
  void kill_tree(pid_t root) const;
  /// Ends all below `root`.
  void kill_descendants(pid_t root) const;

 private:
  std::vector<pid_t> all() const;
  std::optional<std::vector<pid_t>> listed_children(pid_t pid) const;
  bool is_marked(pid_t pid, const std::string& variable, std::string_view directory) const;
  std::vector<process_name> members(pid_t root, bool with_root) const;
  void kill_members(pid_t root, bool with_root) const;
  void send(const process_name& to, int signal) const;

  std::string proc_;
};

}  // namespace pp::worker
