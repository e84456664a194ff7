#include "worker/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
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
#include "code/descriptor.hpp"
#include "net/deadline.hpp"
#include "worker/control.hpp"

namespace pp::worker {
namespace {

constexpr int first_private_fd = 64;  // above every target, so that no dup2 overwrites a source

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}
void check(int error, const char* what) {
  if (error != 0) fail(error, what);
}

class file_actions {
 public:
  file_actions() { check(posix_spawn_file_actions_init(&actions_), "cannot prepare a worker"); }
  file_actions(const file_actions&) = delete;
  file_actions& operator=(const file_actions&) = delete;
  ~file_actions() { posix_spawn_file_actions_destroy(&actions_); }

  void open_null(int target) {
    check(posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDONLY, 0), "cannot prepare a worker");
  }
  void give(int source, int target) {
    if (source < 0) return;
    code::descriptor& high = sources_.at(used_++);
    high.reset(::fcntl(source, F_DUPFD_CLOEXEC, first_private_fd));
    if (!high) fail(errno, "cannot duplicate a descriptor for a worker");
    check(posix_spawn_file_actions_adddup2(&actions_, high.get(), target), "cannot prepare a worker");
  }
  void close_from(int first) {
    check(posix_spawn_file_actions_addclosefrom_np(&actions_, first), "cannot prepare a worker");
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::array<code::descriptor, 11> sources_;
  std::size_t used_ = 0;
};

class attributes {
 public:
  attributes() {
    check(posix_spawnattr_init(&attributes_), "cannot prepare a worker");
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;
  ~attributes() { posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

void plan_descriptors(const spawn_plan& plan, file_actions& actions) {
  actions.give(plan.out_write, 1);
  actions.give(plan.err_write, 2);
  actions.give(plan.program, worker_program_fd);
  actions.give(plan.ends.pipe, worker_pipe_fd);
  actions.give(plan.ends.control, worker_control_fd);
  actions.give(plan.out_read, worker_stdout_fd);
  actions.give(plan.err_read, worker_stderr_fd);
  actions.give(plan.ends.node_half, worker_node_half_fd);
  actions.give(plan.ends.worker_half, worker_worker_half_fd);
  actions.give(plan.ends.wake, worker_wake_fd);
  actions.give(plan.ends.arguments, worker_arguments_fd);
  actions.open_null(0);  // last: descriptor 0 may be one of ours when the program closed its own
  const int last = !plan.ends.is_ring()      ? worker_stderr_fd
                   : plan.ends.arguments < 0 ? worker_wake_fd
                                             : worker_arguments_fd;
  actions.close_from(last + 1);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // posix_spawn does not write there
  out.push_back(nullptr);
  return out;
}

std::string why_not_started(int error) {
  switch (error) {
    case ENOEXEC: return "the program cannot be started: this machine cannot run its file format";
    case EACCES:
    case EPERM:
      return "the program cannot be started: executing it is not permitted here (noexec mount, or a security module)";
    case ETXTBSY: return "the program cannot be started: its file is still open for writing";
    case ENOENT: return "the program cannot be started: its file or its dynamic loader is missing here";
    case EAGAIN:
      return "the program cannot be started: no more processes are allowed (see ulimit -u and the cgroup's pids.max)";
    default: return "the program cannot be started";
  }
}

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

exit_state from_siginfo(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {true, 0, info.si_status};
  return {true, info.si_status, 0};
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

}  // namespace

std::string describe(const exit_state& how) {
  if (!how.known) return "ended, and its exit status was taken by somebody else";
  if (how.signal == 0) return "exited with status " + std::to_string(how.status);
  const char* words = ::sigdescr_np(how.signal);
  return "was killed by signal " + std::to_string(how.signal) + (words ? " (" + std::string(words) + ")" : "");
}

process process::spawn(const spawn_plan& plan, net::executor ex, bool use_pidfd) {
  file_actions actions;
  plan_descriptors(plan, actions);
  const attributes how;
  const std::vector<std::string> arguments{plan.name.empty() ? "pp-worker" : plan.name};
  const auto argv = pointers(arguments);
  const auto environment = pointers(plan.environment);
  const std::string path =
      plan.program_path.empty() ? "/proc/self/fd/" + std::to_string(worker_program_fd) : plan.program_path;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, path.c_str(), actions.get(), how.get(), argv.data(), environment.data());
  if (error != 0) fail(error, why_not_started(error));
  return process(pid, open_pidfd(pid, ex, use_pidfd));
}

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(std::move(other.ended_)),
      reaped_(std::exchange(other.reaped_, true)) {}

process::~process() { PP_ASSERT(reaped_ || pid_ < 0); }

bool process::has_ended() const noexcept {
  siginfo_t info;
  return reaped_ || look(pid_, info, WNOHANG | WNOWAIT) != 0;
}

void process::signal_group(int signal) noexcept {
  // As long as nobody has taken the status, the number belongs to our child and cannot name a stranger's group.
  siginfo_t info;
  if (reaped_ || look(pid_, info, WNOHANG | WNOWAIT) < 0) return;
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
  return from_siginfo(info);
}

std::vector<std::string> worker_environment(const std::vector<std::string>& own, const environment_plan& plan,
                                            pid_t parent) {
  std::vector<std::string> out;
  for (const auto& variable : own) {
    const auto name = name_of(variable);
    const bool named = std::find(plan.pass.begin(), plan.pass.end(), name) != plan.pass.end();
    if (!never_passes(name) && (named || always_passes(name))) out.push_back(variable);
  }
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
    add_unless_set(out, name, "1");
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
