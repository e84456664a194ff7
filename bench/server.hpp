// Programs a benchmark starts and ends: a ppserver with a key and paths of its own on the loopback interface, and helpers.
//
// Promises: nothing it starts outlives it: helpers end with their stdin, a node 60 s after its last client whatever happens.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include <pp/pp.hpp>

namespace bench {

using environment = std::map<std::string, std::string>;

/// A program with pipes for its stdin and for one of its outputs. Ended when it goes.
class background_program {
 public:
  /// `output` is the descriptor to read from: 1 or 2. `more` is added to this process's environment.
  background_program(const std::vector<std::string>& arguments, int output, const environment& more = {});
  background_program(const background_program&) = delete;
  background_program& operator=(const background_program&) = delete;
  ~background_program();

  pid_t pid() const { return pid_; }
  void write_line(const std::string& line);
  /// The next line; throws std::runtime_error at the end of its output.
  std::string read_line();
  /// write_line, then the numbers in the line that answers; throws std::runtime_error with that line if there is none.
  std::vector<double> ask(const std::string& line);

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1;
};

/// A directory with a keyring, removed at the end; the environment of this process is set to use it and nothing else.
class private_world {
 public:
  private_world();
  private_world(const private_world&) = delete;
  private_world& operator=(const private_world&) = delete;
  ~private_world();
  const std::string& directory() const { return directory_; }

 private:
  std::string directory_;
};

/// A ppserver with every default but its number of workers.
class node {
 public:
  explicit node(const environment& more = {}, int workers = 2);
  const std::string& address() const { return address_; }
  pid_t pid() const { return program_.pid(); }

 private:
  background_program program_;
  std::string address_;
};

/// Options of a client of that node and nothing else.
pp::options only(const node& n);
/// Options of a client with `workers` local workers and nothing else.
pp::options only_local(int workers);
/// Throws std::runtime_error if the client has no node within 20 s.
void wait_until_ready(pp::client& client);

/// A field of /proc/PID/status in bytes, such as "VmRSS" or "VmHWM"; 0 if the process is gone.
std::size_t memory_of(pid_t pid, const std::string& field);

}  // namespace bench
