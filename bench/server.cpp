#include "bench/server.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace bench {
namespace {

std::vector<std::string> environment_with(const environment& more) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const char* equals = std::strchr(*entry, '=');
    if (equals == nullptr || more.count(std::string(*entry, static_cast<std::size_t>(equals - *entry))) == 0)
      out.emplace_back(*entry);
  }
  for (const auto& [name, value] : more) {
    std::string entry = name;
    out.push_back(entry.append("=").append(value));
  }
  return out;
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const auto& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string address_in(const std::string& ready_line) {
  const auto at = ready_line.find("address=");
  return ready_line.substr(at + 8, ready_line.find(' ', at) - at - 8);
}

std::vector<std::string> node_arguments(int workers) {
  return {PP_SERVER_PROGRAM, "-p", "0",  "-w",          std::to_string(workers),
          "--no-discovery",  "-t", "60", "--log-level", "warn"};
}

}  // namespace

background_program::background_program(const std::vector<std::string>& arguments, int output, const environment& more) {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, to_child[0], 0);
  posix_spawn_file_actions_adddup2(&files, from_child[1], output);
  const auto all = environment_with(more);
  const int failure =
      posix_spawn(&pid_, arguments[0].c_str(), &files, nullptr, pointers_to(arguments).data(), pointers_to(all).data());
  posix_spawn_file_actions_destroy(&files);
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
  if (failure != 0) throw std::system_error(failure, std::generic_category(), arguments[0]);
}

background_program::~background_program() {
  close(input_);
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  close(output_);
}

void background_program::write_line(const std::string& line) {
  const std::string text = line + '\n';
  if (write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::system_error(errno, std::generic_category(), "a helper program does not listen");
}

std::string background_program::read_line() {
  std::string line;
  for (char c = 0; read(output_, &c, 1) == 1;) {
    if (c == '\n') return line;
    line += c;
  }
  throw std::runtime_error("a program ended before it was ready; its last words: " + line);
}

std::vector<double> background_program::ask(const std::string& line) {
  write_line(line);
  const auto answer = read_line();
  std::istringstream words(answer);
  std::vector<double> out;
  for (double number = 0; words >> number;) out.push_back(number);
  if (out.empty()) throw std::runtime_error("asked for '" + line + "', a helper program said: " + answer);
  return out;
}

private_world::private_world() {
  std::string name = (std::filesystem::temp_directory_path() / "pp-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary directory");
  directory_ = name;
  for (const char* variable : {"PP_NODES", "PP_SECRET", "PP_SECRET_FILE", "PP_SPIN"}) unsetenv(variable);
  setenv("XDG_CONFIG_HOME", (name + "/config").c_str(), 1);
  setenv("XDG_CACHE_HOME", (name + "/cache").c_str(), 1);
  setenv("PP_INTERFACES", "lo", 1);
  setenv("PP_DISCOVERY", "off", 1);
  setenv("PP_LOCAL_WORKERS", "0", 1);
  signal(SIGPIPE, SIG_IGN);
}

private_world::~private_world() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

node::node(const environment& more, int workers) : program_(node_arguments(workers), 2, more) {
  std::string line = program_.read_line();
  while (line.find("event=ready") == std::string::npos) line = program_.read_line();
  address_ = address_in(line);
}

pp::options only(const node& n) {
  pp::options o;
  o.nodes = {n.address()};
  return o;
}

pp::options only_local(int workers) {
  pp::options o;
  o.local = workers;
  return o;
}

void wait_until_ready(pp::client& client) {
  if (client.wait_for_nodes(1, std::chrono::seconds(20))) return;
  std::string why = "no node became ready:";
  for (const auto& n : client.nodes())
    why.append(" ").append(n.address).append(": ").append(n.state).append(", ").append(n.reason);
  throw std::runtime_error(why);
}

std::size_t memory_of(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    std::size_t kib = 0;
    if (word == field + ":" && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace bench
