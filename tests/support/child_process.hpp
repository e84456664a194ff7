// A program started by a test: its output in files, its end waited for, never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/wait.hpp"

namespace pp::test {

struct exit_state {
  int status = -1;  ///< exit status, -1 if a signal ended it
  int signal = 0;   ///< that signal
  bool operator==(const exit_state&) const = default;
};

class child_process {
 public:
  struct parameters {
    std::vector<std::string> arguments;              ///< the first is the program's path
    std::map<std::string, std::string> environment;  ///< added to, or replacing, the test's own
    std::vector<std::string> unset;                  ///< names removed from it
    std::filesystem::path directory;                 ///< where out and err are written; must exist
    std::string label = "child";                     ///< begins those files' names
    std::string input;                               ///< what it reads from stdin
  };

  /// Throws std::system_error if it cannot be started.
  explicit child_process(const parameters& p);
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  /// SIGKILL, and waited for.
  ~child_process();

  pid_t pid() const { return pid_; }
  bool is_running();
  /// False if it has ended already.
  bool signal(int number);
  /// Empty if it has not ended within `limit`.
  std::optional<exit_state> wait(std::chrono::milliseconds limit = generous);

  /// What it has written so far.
  std::string out() const;
  std::string err() const;
  bool wait_for_err(const std::string& text, std::chrono::milliseconds limit = generous) const;

 private:
  bool reap();

  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
  std::optional<exit_state> ended_;
};

/// Starts, waits for the end and gives everything; status -1 and signal 9 if it did not end within `limit`.
struct finished_process {
  exit_state end;
  std::string out, err;
};
finished_process run_program(const child_process::parameters& p, std::chrono::milliseconds limit = generous);

}  // namespace pp::test
