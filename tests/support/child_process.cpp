#include "tests/support/child_process.hpp"

#include <atomic>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temporary_directory.hpp"

namespace pp::test {
namespace {

std::vector<std::string> environment_of(const child_process::parameters& p) {
  std::map<std::string, std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    all[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& name : p.unset) all.erase(name);
  for (const auto& [name, value] : p.environment) all[name] = value;
  std::vector<std::string> lines;
  for (const auto& [name, value] : all) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string next_label(const std::string& label) {
  static std::atomic<int> count{0};
  return label + "-" + std::to_string(++count);
}

}  // namespace

child_process::child_process(const parameters& p) {
  const std::string label = next_label(p.label);
  out_ = p.directory / (label + ".out");
  err_ = p.directory / (label + ".err");
  const auto in = p.directory / (label + ".in");
  write_file(in, p.input);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, out_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_addopen(&files, 2, err_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  // A test that is aborted must not leave its children behind.
  std::vector<std::string> arguments{"setpriv", "--pdeathsig", "KILL", "--"};
  arguments.insert(arguments.end(), p.arguments.begin(), p.arguments.end());
  auto environment = environment_of(p);
  const int failure = posix_spawnp(&pid_, arguments[0].c_str(), &files, nullptr, pointers_to(arguments).data(),
                                   pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&files);
  if (failure != 0) throw std::system_error(failure, std::generic_category(), p.arguments.at(0));
}

child_process::~child_process() {
  if (reap()) return;
  kill(pid_, SIGKILL);
  kill(pid_, SIGCONT);
  int status = 0;
  waitpid(pid_, &status, 0);
}

bool child_process::reap() {
  if (ended_) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  ended_ = WIFSIGNALED(status) ? exit_state{-1, WTERMSIG(status)} : exit_state{WEXITSTATUS(status), 0};
  return true;
}

bool child_process::is_running() { return !reap(); }

bool child_process::signal(int number) { return !reap() && kill(pid_, number) == 0; }

std::optional<exit_state> child_process::wait(std::chrono::milliseconds limit) {
  wait_until([this] { return reap(); }, limit);
  return ended_;
}

std::string child_process::out() const { return read_file(out_); }
std::string child_process::err() const { return read_file(err_); }

bool child_process::wait_for_err(const std::string& text, std::chrono::milliseconds limit) const {
  return wait_until([&] { return err().find(text) != std::string::npos; }, limit);
}

finished_process run_program(const child_process::parameters& p, std::chrono::milliseconds limit) {
  child_process child(p);
  const auto end = child.wait(limit).value_or(exit_state{-1, SIGKILL});
  return {end, child.out(), child.err()};
}

}  // namespace pp::test
