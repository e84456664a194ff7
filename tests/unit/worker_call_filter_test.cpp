// The filter is run by an interpreter of its few instructions, as the kernel would run it.
#include "worker/call_filter.hpp"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "worker/first_process.hpp"

namespace pp::worker {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own = AUDIT_ARCH_X86_64, foreign = AUDIT_ARCH_I386;
#else
constexpr std::uint32_t own = AUDIT_ARCH_AARCH64, foreign = AUDIT_ARCH_ARM;
#endif
constexpr std::uint32_t allowed = SECCOMP_RET_ALLOW, refused = SECCOMP_RET_ERRNO | EPERM;

std::uint32_t answer_to(std::uint32_t architecture, long number, std::uint64_t first = 0) {
  seccomp_data call{};
  call.arch = architecture;
  call.nr = static_cast<int>(number);
  call.args[0] = first;
  const auto& program = call_filter();
  std::uint32_t word = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const auto& i = program[at];
    bool is_true = false;
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&word, reinterpret_cast<const char*>(&call) + i.k, sizeof word);
        continue;
      case BPF_RET | BPF_K: return i.k;
      case BPF_JMP | BPF_JEQ | BPF_K: is_true = word == i.k; break;
      case BPF_JMP | BPF_JGE | BPF_K: is_true = word >= i.k; break;
      case BPF_JMP | BPF_JSET | BPF_K: is_true = (word & i.k) != 0; break;
      default: ADD_FAILURE() << "instruction " << i.code; return 0;
    }
    at += is_true ? i.jt : i.jf;
  }
  ADD_FAILURE() << "ran off the end";
  return 0;
}

TEST(CallFilter, AllowsWhatProgramsNeed) {
  for (const long number : {SYS_read, SYS_write, SYS_mmap, SYS_futex, SYS_execve, SYS_socket, SYS_kill, SYS_exit_group})
    EXPECT_EQ(answer_to(own, number), allowed) << number;
}

TEST(CallFilter, RefusesSocketsThatHavePathsAndWhatWouldMakeThemUnseen) {
  EXPECT_EQ(answer_to(own, SYS_socket, AF_UNIX), refused);
  EXPECT_EQ(answer_to(own, SYS_socket, AF_INET), allowed);
  EXPECT_EQ(answer_to(own, SYS_socketpair, AF_UNIX), allowed) << "those two know each other already";
  for (const long number : {425, 426, 427}) EXPECT_EQ(answer_to(own, number), refused) << "io_uring " << number;
}

TEST(CallFilter, RefusesWhatReachesOtherProcessesOrTheKernel) {
  for (const long number : {SYS_ptrace,
                            SYS_process_vm_readv,
                            SYS_process_vm_writev,
                            SYS_mount,
                            SYS_umount2,
                            SYS_bpf,
                            SYS_keyctl,
                            SYS_add_key,
                            SYS_request_key,
                            SYS_perf_event_open,
                            SYS_userfaultfd,
                            SYS_kexec_load,
                            SYS_init_module,
                            SYS_finit_module,
                            SYS_delete_module,
                            SYS_pivot_root,
                            SYS_swapon,
                            SYS_swapoff,
                            SYS_open_by_handle_at,
                            SYS_unshare,
                            SYS_setns})
    EXPECT_EQ(answer_to(own, number), refused) << number;
}

TEST(CallFilter, LooksAtTheFlagsOfClone) {
  EXPECT_EQ(answer_to(own, SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS), allowed);
  EXPECT_EQ(answer_to(own, SYS_clone, CLONE_NEWUSER), refused);
  EXPECT_EQ(answer_to(own, SYS_clone, CLONE_VM | CLONE_NEWNET), refused);
  EXPECT_EQ(answer_to(own, 435), SECCOMP_RET_ERRNO | ENOSYS);  // clone3
}

TEST(CallFilter, EndsAProcessThatMakesCallsOfAnotherArchitecture) {
  EXPECT_EQ(answer_to(foreign, 1), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
  EXPECT_EQ(answer_to(own, 0x40000000 | SYS_read), refused);
#endif
}

TEST(FirstProcess, ItsStatusStandsForTheSignalThatWouldHaveEndedIt) {
  EXPECT_EQ(signal_of_status(128 + 6), 6);
  EXPECT_EQ(signal_of_status(128 + 15), 15);
  for (const int status : {0, 1, 127, 128, 128 + 9, 128 + 17, 160, 255})
    EXPECT_EQ(signal_of_status(status), 0) << status;
}

}  // namespace
}  // namespace pp::worker
