#include "worker/process.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "net/deadline.hpp"
#include "worker/control.hpp"
#include "worker/first_process.hpp"
#include "worker/orphans.hpp"
#include "worker/process_tree.hpp"

namespace pp::worker {
namespace {

std::optional<net::descriptor> open_pidfd(pid_t pid, const net::executor& ex, bool wanted) {
  // Not glibc's pidfd_open: the header of 2.36 forgets extern "C". Close-on-exec by itself.
  const int fd = wanted ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1;
  if (fd < 0) return std::nullopt;
  net::descriptor ended(ex);
  net::error_code failed;
  ended.assign(fd, failed);
  if (!failed) return ended;
  ::close(fd);
  return std::nullopt;
}

exit_state from_siginfo(const siginfo_t& info, bool is_first) {
  if (info.si_code != CLD_EXITED) return {true, info.si_status, 0};
  const int meant = is_first ? signal_of_status(info.si_status) : 0;
  return meant != 0 ? exit_state{true, meant, 0} : exit_state{true, 0, info.si_status};
}

// -1: no such child; 0: still running; 1: ended.
int look(pid_t pid, siginfo_t& info, int options) {
  info = {};
  for (;;) {
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | options) == 0) return info.si_pid == 0 ? 0 : 1;
    if (errno != EINTR) return -1;
  }
}

duration length_of(const timeval& t) { return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec); }

bool begins_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

bool never_passes(std::string_view name) {
  if (begins_with(name, "PP_") || begins_with(name, "LD_")) return true;
  constexpr std::array refused = {"SSLKEYLOGFILE",         "OPENSSL_CONF",  "OPENSSL_MODULES", "GLIBC_TUNABLES",
                                  "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "GCONV_PATH"};
  return std::find(refused.begin(), refused.end(), name) != refused.end();
}
bool always_passes(std::string_view name) {
  constexpr std::array allowed = {"PATH",
                                  "HOME",
                                  "LANG",
                                  "TZ",
                                  "USER",
                                  "LOGNAME",
                                  "SHELL",
                                  "TERM",
                                  "TMPDIR",
                                  "ASAN_OPTIONS",
                                  "UBSAN_OPTIONS",
                                  "TSAN_OPTIONS",
                                  "LSAN_OPTIONS",
                                  "OMP_NUM_THREADS",
                                  "OPENBLAS_NUM_THREADS",
                                  "MKL_NUM_THREADS"};
  return begins_with(name, "LC_") || std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

void add_unless_set(std::vector<std::string>& to, const std::string& name, const char* value) {
  const auto same = [&](const std::string& v) { return name_of(v) == name; };
  if (std::none_of(to.begin(), to.end(), same)) to.push_back(name + "=" + value);
}

void make_environment_of(const job_user& user, std::vector<std::string>& variables) {
  const auto names_him = [](const std::string& v) {
    const auto name = name_of(v);
    return name == "HOME" || name == "USER" || name == "LOGNAME" || name == "SHELL";
  };
  std::erase_if(variables, names_him);
  for (const auto& [name, value] : {std::pair{"HOME=", user.home}, std::pair{"USER=", user.name},
                                    std::pair{"LOGNAME=", user.name}, std::pair{"SHELL=", user.shell}})
    variables.push_back(name + value);
}

}  // namespace

std::string describe(const exit_state& how) {
  if (!how.known) return "ended, and its exit status was taken by somebody else";
  if (how.signal == 0) return "exited with status " + std::to_string(how.status);
  const char* words = ::sigdescr_np(how.signal);
  return "was killed by signal " + std::to_string(how.signal) + (words ? " (" + std::string(words) + ")" : "");
}

process process::spawn(const spawn_plan& plan, net::executor ex, bool use_pidfd) {
  const pid_t pid = launch(plan);
  return process(pid, open_pidfd(pid, ex, use_pidfd), plan.settings.level == isolation_level::sandbox);
}

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(std::move(other.ended_)),
      is_first_(other.is_first_),
      reaped_(std::exchange(other.reaped_, true)) {}

process::~process() { PP_ASSERT(reaped_ || pid_ < 0); }

bool process::has_ended() const noexcept {
  siginfo_t info;
  return reaped_ || look(pid_, info, WNOHANG | WNOWAIT) != 0;
}

bool process::ended_well() const noexcept {
  siginfo_t info;
  return !reaped_ && look(pid_, info, WNOHANG | WNOWAIT) > 0 && from_siginfo(info, is_first_) == exit_state{true, 0, 0};
}

void process::signal_group(int signal) noexcept {
  // As long as nobody has taken the status, the number belongs to our child and cannot name a stranger's group.
  siginfo_t info;
  if (reaped_ || look(pid_, info, WNOHANG | WNOWAIT) < 0) return;
  ::kill(-pid_, signal);
}

void process::signal_tree(int signal) {
  siginfo_t info;
  if (reaped_ || look(pid_, info, WNOHANG | WNOWAIT) < 0) return;
  const process_tree processes;
  signal == SIGKILL ? processes.kill_tree(pid_) : processes.signal_tree(pid_, signal);
  ::kill(-pid_, signal);
}

net::awaitable<void> process::wait_exit() {
  if (ended_) {
    co_await ended_->async_wait(net::descriptor::wait_read, net::use_awaitable);
    co_return;
  }
  while (!has_ended()) co_await net::sleep_for(std::chrono::milliseconds(20));
}

exit_state process::reap() noexcept {
  if (std::exchange(reaped_, true)) return {};
  siginfo_t info;
  if (look(pid_, info, WNOWAIT) < 0) return {};
  ::kill(-pid_, SIGKILL);
  rusage spent{};
  // glibc's waitid() hides that the kernel's tells this too.
  while (::syscall(SYS_waitid, P_PID, pid_, &info, WEXITED, &spent) != 0) {
    if (errno != EINTR) return {};
  }
  used_ = {length_of(spent.ru_utime) + length_of(spent.ru_stime), static_cast<std::uint64_t>(spent.ru_maxrss) * 1024};
  return from_siginfo(info, is_first_);
}

std::vector<std::string> worker_environment(const std::vector<std::string>& own, const environment_plan& plan,
                                            pid_t parent) {
  std::vector<std::string> out;
  for (const auto& variable : own) {
    const auto name = name_of(variable);
    const bool named = std::find(plan.pass.begin(), plan.pass.end(), name) != plan.pass.end();
    if (name == "TMPDIR" && !plan.temporary.empty()) continue;
    if (!never_passes(name) && (named || always_passes(name))) out.push_back(variable);
  }
  if (plan.user != nullptr) make_environment_of(*plan.user, out);
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    add_unless_set(out, name, "1");
  if (!plan.temporary.empty()) out.push_back("TMPDIR=" + plan.temporary);
  if (!plan.mark.empty()) out.push_back(std::string(mark_variable) + "=" + plan.mark);
  if (!plan.library_path.empty()) out.push_back("LD_LIBRARY_PATH=" + plan.library_path);
  out.push_back(std::string(worker_variable) + "=" + std::to_string(parent) + (plan.has_ring ? worker_ring_mark : ""));
  return out;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** variable = ::environ; variable != nullptr && *variable != nullptr; ++variable)
    out.emplace_back(*variable);
  return out;
}

}  // namespace pp::worker
