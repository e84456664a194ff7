#include "bench/server.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace bench {

background_program::background_program(const std::vector<std::string>& arguments, int output) {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, to_child[0], 0);
  posix_spawn_file_actions_adddup2(&files, from_child[1], output);
  std::vector<char*> argv;
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const int failure = posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
  if (failure != 0) throw std::system_error(failure, std::generic_category(), arguments[0]);
}

background_program::~background_program() {
  kill(pid_, SIGTERM);
  close(input_);
  int status = 0;
  waitpid(pid_, &status, 0);
  close(output_);
}

std::string background_program::read_line() {
  std::string line;
  for (char c = 0; read(output_, &c, 1) == 1;) {
    if (c == '\n') return line;
    line += c;
  }
  throw std::runtime_error("a program ended before it was ready; its last words: " + line);
}

private_world::private_world() {
  std::string name = (std::filesystem::temp_directory_path() / "pp-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
  directory_ = name;
  for (const char* variable : {"PP_NODES", "PP_SECRET", "PP_SECRET_FILE"}) unsetenv(variable);
  setenv("XDG_CONFIG_HOME", (name + "/config").c_str(), 1);
  setenv("XDG_CACHE_HOME", (name + "/cache").c_str(), 1);
  setenv("PP_INTERFACES", "lo", 1);
  setenv("PP_DISCOVERY", "off", 1);
  setenv("PP_LOCAL_WORKERS", "0", 1);
}

private_world::~private_world() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace bench
