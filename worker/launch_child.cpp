#include "worker/launch_child.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#if defined(__clang__)
#define PP_BARE \
  __attribute__((no_sanitize("address", "thread", "undefined"), disable_sanitizer_instrumentation, no_stack_protector))
#else
#define PP_BARE __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))
#endif

namespace pp::worker {
namespace {

// Missing in Debian 12's headers, or in those of older systems; the numbers are the same everywhere.
constexpr long nr_landlock_restrict_self = 446;
constexpr long nr_close_range = 436;
constexpr int last_signal = 64;

// errno is the parent's, which waits: nobody else looks at it now.
PP_BARE bool call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  return ::syscall(number, a, b, c, d, e) >= 0;
}
PP_BARE long address_of(const void* what) { return reinterpret_cast<long>(what); }

// Handlers are the parent's code and must never run here; what is ignored would stay so across exec.
PP_BARE void forget_signal_handlers() {
  static const std::uint64_t by_default[4] = {};  // the kernel's struct sigaction
  for (int number = 1; number <= last_signal; ++number) {
    if (number != SIGKILL && number != SIGSTOP)
      call(SYS_rt_sigaction, number, address_of(by_default), 0, sizeof(std::uint64_t));
  }
}

PP_BARE bool begin_session(launch_order&) {
  forget_signal_handlers();
  return call(SYS_setsid);
}

PP_BARE bool move_descriptors(launch_order& o) {
  for (std::size_t i = 0; i < o.move_count; ++i) {
    if (!call(SYS_dup3, o.moves[i].from, o.moves[i].to, 0)) return false;
  }
  return true;
}

PP_BARE bool enter_directory(launch_order& o) { return o.directory < 0 || call(SYS_fchdir, o.directory); }

// Where it is refused (a cgroup that was removed meanwhile, say) the worker does without.
PP_BARE bool join_cgroups(launch_order& o) {
  for (std::size_t i = 0; i < o.cgroup_count; ++i) call(SYS_write, o.cgroups[i], address_of("0"), 1);
  return true;
}

// When memory runs out, jobs go before the node does. An ordinary user's node that cannot be dumped owns none of its
// files in /proc: then it fails here, and the worker does it after exec.
PP_BARE void offer_to_oom_killer() {
  const long fd = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  call(SYS_write, fd, address_of("500"), 3);
  call(SYS_close, fd);
}

PP_BARE bool limit_resources(launch_order& o) {
  offer_to_oom_killer();
  call(SYS_setpriority, PRIO_PROCESS, 0, o.nice);  // only ever down, which everybody may
  call(SYS_umask, 077);
  for (const auto& limit : o.limits) {
    if (!call(SYS_prlimit64, 0, limit.what, address_of(&limit.value), 0)) return false;
  }
  return true;
}

PP_BARE bool change_user(launch_order& o) {
  if (!o.has_user) return true;
  return call(SYS_setgroups, static_cast<long>(o.group_count), address_of(o.groups)) &&
         call(SYS_setresgid, o.gid, o.gid, o.gid) && call(SYS_setresuid, o.uid, o.uid, o.uid);
}

PP_BARE bool parent_lives(const launch_order& o) {
  if (o.parent_handle < 0) return ::syscall(SYS_getppid) == o.parent;
  pollfd about{o.parent_handle, POLLIN, 0};
  static const std::int64_t at_once[2] = {};
  std::int64_t no_time[2] = {at_once[0], at_once[1]};
  return ::syscall(SYS_ppoll, &about, 1, no_time, nullptr, sizeof(std::uint64_t)) == 0;
}

// After the ids, since a change of them takes the signal back. What the parent did before is seen by the second look.
PP_BARE bool follow_parent(launch_order& o) {
  if (!call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL)) return false;
  if (!parent_lives(o)) {
    errno = ESRCH;
    return false;
  }
  // Orphans of a job stay below their worker, where they are found.
  return call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1);
}

PP_BARE bool drop_privileges(launch_order&) { return call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

PP_BARE bool enter_ruleset(launch_order& o) { return o.ruleset < 0 || call(nr_landlock_restrict_self, o.ruleset, 0); }

/// What "/proc/self/fd" calls a descriptor, -1 for "." and "..".
PP_BARE long number_from(const char* digits) {
  long number = 0;
  for (; *digits != '\0'; ++digits) {
    if (*digits < '0' || *digits > '9') return -1;
    number = number * 10 + (*digits - '0');
  }
  return number;
}

/// One reading of the directory; how many descriptors it closed, -1 if it cannot be read.
PP_BARE long close_listed(unsigned first, long listing) {
  alignas(8) char entries[4096];
  const long size = ::syscall(SYS_getdents64, listing, entries, sizeof entries);
  long closed = size < 0 ? -1 : 0;
  for (long at = 0; at < size;) {
    constexpr long length_offset = 16, name_offset = 19;  // struct linux_dirent64
    const long fd = number_from(entries + at + name_offset);
    if (fd >= static_cast<long>(first) && fd != listing && call(SYS_close, fd)) ++closed;
    at += *reinterpret_cast<const std::uint16_t*>(entries + at + length_offset);
  }
  return closed;
}

// Linux before 5.9. Closing changes the directory while it is read, hence again until nothing is found.
PP_BARE bool close_one_by_one(unsigned first) {
  const long listing = ::syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (listing < 0) return false;
  long closed = 1;
  while (closed > 0) {
    call(SYS_lseek, listing, 0, SEEK_SET);
    closed = close_listed(first, listing);
  }
  return closed == 0;
}

PP_BARE bool close_the_rest(unsigned first) {
  return call(nr_close_range, first, ~0U, 0) || (errno == ENOSYS && close_one_by_one(first));
}

// The last that opens or closes anything: ruleset, directory and cgroups are among what is closed.
PP_BARE bool enter_filter(launch_order& o) {
  if (!close_the_rest(o.close_from)) return false;
  return o.filter == nullptr || call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, address_of(o.filter));
}

PP_BARE bool become_program(launch_order& o) {
  static const std::uint64_t none = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, address_of(&none), 0, sizeof none);
  if (o.path == nullptr) return true;
  return call(SYS_execve, address_of(o.path), address_of(o.arguments), address_of(o.environment));
}

struct stage {
  launch_step name;
  bool (*run)(launch_order&);
};
constexpr stage stages[] = {
    {launch_step::session, begin_session},     {launch_step::descriptors, move_descriptors},
    {launch_step::directory, enter_directory}, {launch_step::cgroup, join_cgroups},
    {launch_step::limits, limit_resources},    {launch_step::ids, change_user},
    {launch_step::parent, follow_parent},      {launch_step::privileges, drop_privileges},
    {launch_step::landlock, enter_ruleset},    {launch_step::filter, enter_filter},
    {launch_step::exec, become_program},
};

}  // namespace

PP_BARE int run_launch_order(void* order) {
  auto& o = *static_cast<launch_order*>(order);
  for (const auto& s : stages) {
    if (s.run(o)) continue;
    o.failed = s.name;
    o.error = errno;
    ::syscall(SYS_exit_group, 127);
  }
  ::syscall(SYS_exit_group, 0);
  return 0;
}

}  // namespace pp::worker
