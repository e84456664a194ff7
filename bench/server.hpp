// Programs the benchmark starts and ends: a ppserver with a key and paths of its own on the loopback interface, and the raw echo.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

/// A program with pipes for its stdin and for one of its outputs. Killed when it goes.
class background_program {
 public:
  /// `output` is the descriptor to read from: 1 or 2.
  background_program(const std::vector<std::string>& arguments, int output);
  background_program(const background_program&) = delete;
  background_program& operator=(const background_program&) = delete;
  ~background_program();

  /// The next line; throws std::runtime_error at the end of its output.
  std::string read_line();

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

 private:
  std::string directory_;
};

}  // namespace bench
