#include "worker/call_filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace pp::worker {
namespace {

#if defined(__x86_64__) && defined(__LP64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__) && defined(__LP64__) && !defined(__AARCH64EB__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t own_architecture = 0;
#endif

constexpr std::uint32_t first_x32_call = 0x40000000;
constexpr std::uint32_t new_namespaces =
    0x02000000 | 0x00020000 | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

constexpr std::uint32_t denied[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    440,  // process_madvise
    438,  // pidfd_getfd
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_swapon,
    SYS_swapoff,
    SYS_quotactl,
    428,
    429,
    430,
    431,
    432,
    433,  // open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    442,  // mount_setattr
    425,
    426,
    427,  // io_uring: its operations, sockets among them, pass no filter
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
#endif
    SYS_reboot,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
};

sock_filter load(std::size_t offset) { return {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)}; }
sock_filter answer(std::uint32_t what) { return {BPF_RET | BPF_K, 0, 0, what}; }

class filter_writer {
 public:
  /// The answer if the loaded word compares so with `value`.
  void if_equal(std::uint32_t value, std::uint32_t what) { add(BPF_JEQ, value, what); }
  void if_at_least(std::uint32_t value, std::uint32_t what) { add(BPF_JGE, value, what); }
  void if_any_bit(std::uint32_t bits, std::uint32_t what) { add(BPF_JSET, bits, what); }
  void put(sock_filter one) { program.push_back(one); }

  std::vector<sock_filter> program;

 private:
  void add(int comparison, std::uint32_t value, std::uint32_t what) {
    put({static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), 0, 1, value});
    put(answer(what));
  }
};

std::vector<sock_filter> write_filter() {
  constexpr std::uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  filter_writer out;
  if (own_architecture == 0) return {};
  out.put(load(offsetof(seccomp_data, arch)));
  out.put({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, own_architecture});
  out.put(answer(SECCOMP_RET_KILL_PROCESS));
  out.put(load(offsetof(seccomp_data, nr)));
  if (own_architecture == AUDIT_ARCH_X86_64) out.if_at_least(first_x32_call, refuse);
  constexpr std::uint32_t nr_clone3 = 435;
  out.if_equal(nr_clone3, SECCOMP_RET_ERRNO | ENOSYS);
  for (const auto number : denied) out.if_equal(number, refuse);
  // A socket with a path is reached from every network namespace, and behind it may be somebody who starts programs.
  out.put({BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_socket});
  out.put(load(offsetof(seccomp_data, args)));
  out.if_equal(AF_UNIX, refuse);
  out.put(answer(SECCOMP_RET_ALLOW));
  out.put({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_clone});
  out.put(answer(SECCOMP_RET_ALLOW));
  out.put(load(offsetof(seccomp_data, args)));  // the low half, both architectures being little-endian
  out.if_any_bit(new_namespaces, refuse);
  out.put(answer(SECCOMP_RET_ALLOW));
  return out.program;
}

}  // namespace

const std::vector<sock_filter>& call_filter() {
  static const std::vector<sock_filter> program = write_filter();
  return program;
}

}  // namespace pp::worker
