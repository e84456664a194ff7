#include "worker/launch.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "code/descriptor.hpp"
#include "worker/launch_child.hpp"
#include "worker/sandbox.hpp"

#if defined(__GLIBC__)
// The thread sanitizer of later compilers takes clone() for a fork, which this is not.
extern "C" int __clone(int (*)(void*), void*, int, void*, ...);
#define PP_CLONE __clone
#else
#define PP_CLONE ::clone
#endif

namespace pp::worker {
namespace {

constexpr int first_private_fd = 64;  // above every target, so that no dup2 overwrites a source
constexpr rlim_t most_open_files = 1024;
constexpr rlim_t largest_file = rlim_t{16} << 30U;
constexpr std::size_t stack_bytes = 64 * 1024;
constexpr std::size_t guard_bytes = 64 * 1024;  // a page, whatever its size

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));  // nobody writes there
  out.push_back(nullptr);
  return out;
}

class child_stack {
 public:
  child_stack()
      : base_(::mmap(nullptr, guard_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (base_ == MAP_FAILED) fail(errno, "no memory for the start of a worker");
    ::mprotect(base_, guard_bytes, PROT_NONE);
  }
  child_stack(const child_stack&) = delete;
  child_stack& operator=(const child_stack&) = delete;
  ~child_stack() { ::munmap(base_, guard_bytes + stack_bytes); }
  void* top() const { return static_cast<char*>(base_) + guard_bytes + stack_bytes; }

 private:
  void* base_;
};

/// Every signal, those that glibc keeps for itself included: the child must not run a handler, nor be cancelled.
class no_signals {
 public:
  no_signals() {
    const std::uint64_t all = ~std::uint64_t{0};
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof all);
  }
  no_signals(const no_signals&) = delete;
  no_signals& operator=(const no_signals&) = delete;
  ~no_signals() { ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_); }

 private:
  std::uint64_t before_ = 0;
};

/// An order and all that it borrows.
class prepared_order {
 public:
  explicit prepared_order(const spawn_plan& plan)
      : arguments_{plan.name.empty() ? "pp-worker" : plan.name},
        path_(plan.program_path.empty() ? "/proc/self/fd/" + std::to_string(worker_program_fd) : plan.program_path),
        argument_pointers_(pointers(arguments_)),
        environment_pointers_(pointers(plan.environment)),
        confinement_(confine(plan)) {
    order_.path = path_.c_str();
    order_.arguments = argument_pointers_.data();
    order_.environment = environment_pointers_.data();
    plan_descriptors(plan);
    plan_places(plan);
    plan_confinement();
    plan_limits(plan.settings);
    plan_user(plan);
    order_.parent = ::getpid();
  }
  prepared_order(const prepared_order&) = delete;
  prepared_order& operator=(const prepared_order&) = delete;

  launch_order& operator*() { return order_; }
  int namespaces() const { return confinement_.namespaces; }

 private:
  /// A copy that no target overwrites; -1 stays -1.
  int raised(int fd) {
    if (fd < 0) return -1;
    raised_.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, first_private_fd));
    if (!raised_.back()) fail(errno, "cannot duplicate a descriptor for a worker");
    return raised_.back().get();
  }
  void give(int source, int target) {
    if (source >= 0) order_.moves.at(order_.move_count++) = {raised(source), target};
  }
  void plan_places(const spawn_plan& plan) {
    order_.directory = raised(plan.directory);
    for (const int cgroup : plan.cgroups) cgroups_.push_back(raised(cgroup));
    order_.cgroups = cgroups_.data();
    order_.cgroup_count = cgroups_.size();
  }
  void plan_confinement() {
    order_.parent_handle = raised(confinement_.parent_handle.get());
    order_.ruleset = raised(confinement_.ruleset.get());
    order_.filter = confinement_.filter.len > 0 ? &confinement_.filter : nullptr;
  }
  void plan_descriptors(const spawn_plan& plan) {
    const code::descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null) fail(errno, "cannot open /dev/null for a worker");
    give(null.get(), 0);
    give(plan.out_write, 1);
    give(plan.err_write, 2);
    give(plan.program, worker_program_fd);
    give(plan.ends.pipe, worker_pipe_fd);
    give(plan.ends.control, worker_control_fd);
    give(plan.out_read, worker_stdout_fd);
    give(plan.err_read, worker_stderr_fd);
    give(plan.values >= 0 ? plan.values : null.get(), worker_values_fd);
    give(plan.ends.node_half, worker_node_half_fd);
    give(plan.ends.worker_half, worker_worker_half_fd);
    give(plan.ends.wake, worker_wake_fd);
    give(plan.ends.arguments, worker_arguments_fd);
    const int last = !plan.ends.is_ring()      ? worker_values_fd
                     : plan.ends.arguments < 0 ? worker_wake_fd
                                               : worker_arguments_fd;
    order_.close_from = static_cast<unsigned>(last) + 1;
  }
  /// Never above what is allowed already. The hard limit of open files stays: a job that needs more can ask for it.
  void plan_limits(const launch_settings& settings) {
    rlimit files{}, size{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_FSIZE, &size);
    files.rlim_cur = std::min(files.rlim_max, most_open_files);
    size.rlim_cur = size.rlim_max = std::min(size.rlim_max, largest_file);
    order_.limits = {{{RLIMIT_CORE, {0, 0}}, {RLIMIT_NOFILE, files}, {RLIMIT_FSIZE, size}}};
    order_.nice = std::min(19, ::getpriority(PRIO_PROCESS, 0) + settings.nice);
  }
  void plan_user(const spawn_plan& plan) {
    if (!plan.settings.user) return;
    const auto& user = *plan.settings.user;
    order_.has_user = true;
    order_.uid = user.uid;
    order_.gid = user.gid;
    order_.groups = user.groups.data();
    order_.group_count = user.groups.size();
    // A sealed program is its node's alone. Nobody reaches it but through a descriptor, and nobody can change it.
    if (plan.program >= 0 && ::fcntl(plan.program, F_GET_SEALS) >= 0) ::fchmod(plan.program, 0555);
  }

  std::vector<std::string> arguments_;
  std::string path_;
  std::vector<char*> argument_pointers_, environment_pointers_;
  std::vector<code::descriptor> raised_;
  std::vector<int> cgroups_;
  confinement confinement_;
  launch_order order_;
};

constexpr const char* why_no_namespaces =
    "a worker cannot get namespaces of its own (see the sysctls user.max_user_namespaces and "
    "kernel.unprivileged_userns_clone, and AppArmor's)";

std::string why_not_executed(int error) {
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

std::string why_not_started(launch_step step, int error) {
  switch (step) {
    case launch_step::clone:
    case launch_step::exec: return why_not_executed(error);
    case launch_step::session: return "a worker cannot get a session of its own";
    case launch_step::descriptors:
      return "a worker cannot get its descriptors: raise the limit of open files (ulimit -n)";
    case launch_step::directory: return "a worker cannot enter its directory";
    case launch_step::cgroup: return "a worker cannot join its cgroup";
    case launch_step::limits: return "a worker's limits cannot be set";
    case launch_step::ids: return "a worker cannot become the job user: only root may (see --job-user)";
    case launch_step::parent: return "a worker cannot be tied to the life of its node";
    case launch_step::privileges: return "a worker cannot give up gaining privileges (no_new_privs, Linux 3.5)";
    case launch_step::landlock: return "a worker cannot be confined by Landlock";
    case launch_step::filter: return "a worker's system calls cannot be filtered (seccomp), or its descriptors closed";
  }
  return "a worker cannot be started";
}

/// The process id. The calling thread sleeps until the child has become its program, or has ended.
pid_t carry_out(launch_order& order, int namespaces) {
  const child_stack stack;
  pid_t pid = -1;
  int error = 0;
  {
    const no_signals quiet;
    pid = PP_CLONE(run_launch_order, stack.top(), CLONE_VM | CLONE_VFORK | SIGCHLD | namespaces, &order);
    if (pid < 0) error = errno;
  }
  if (pid < 0) fail(error, namespaces != 0 ? why_no_namespaces : why_not_started(launch_step::clone, error));
  if (order.error == 0) return pid;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  fail(order.error, why_not_started(order.failed, order.error));
}

}  // namespace

pid_t launch(const spawn_plan& plan) {
  prepared_order order(plan);
  return carry_out(*order, order.namespaces());
}

void rehearse_launch(const launch_settings& settings) {
  spawn_plan plan;
  plan.settings = settings;
  prepared_order order(plan);
  (*order).path = nullptr;
  const pid_t pid = carry_out(*order, order.namespaces());
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace pp::worker
