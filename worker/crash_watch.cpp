// The worker's half of crash_note.hpp: signal handlers. Whatever they call must be safe in the middle of anything, so
// they take no memory and no lock; the unwinder of the C++ runtime finds its tables without either.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>

#include "worker/crash_note.hpp"
#include "worker/runner.hpp"
#include "worker/thrown.hpp"

namespace pp::worker {
namespace {

constexpr int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
constexpr std::size_t own_stack_bytes = 64 * 1024;
constexpr unsigned longest_seconds = 2;
constexpr int most_frames_of_ours = 16;  // of the handlers themselves, before the frame that crashed

struct crash_state {
  crash_page* page = nullptr;
  const code_lookup* code = nullptr;
  pid_t owner = 0;  ///< a process that a job forked is another one
  std::atomic<pid_t> writer{0};
  std::atomic<int> signal{0};
  sigjmp_buf way_out{};
  std::terminate_handler usual_terminate = nullptr;
};
constinit crash_state state;

pid_t own_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void use_default(int signal) {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(signal, &usual, nullptr);
}

/// Where the kernel does not listen (process 1 of a namespace is deaf to its own signals), by an exit that says the same.
[[noreturn]] void die_of(int signal) {
  use_default(signal);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::syscall(SYS_tgkill, ::getpid(), own_thread(), signal);
  ::_exit(128 + signal);
}

/// The note takes too long: somebody holds a lock that the unwinder wants.
void on_too_long(int) { die_of(state.signal.load()); }

void limit_time() {
  struct sigaction limit {};
  limit.sa_handler = on_too_long;
  ::sigaction(SIGALRM, &limit, nullptr);
  // Those of a crash inside of the walk too: the thread sanitizer blocks everything while a handler runs.
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGALRM);
  for (const int each : watched) sigaddset(&wanted, each);
  ::pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
  ::alarm(longest_seconds);
}

struct registers {
  std::uintptr_t at = 0;      ///< the instruction
  std::uintptr_t caller = 0;  ///< where it would return to if nothing was pushed since the call; else anything
};
registers read_registers([[maybe_unused]] const void* context) {
  [[maybe_unused]] const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  std::uintptr_t top = 0;
  const auto at = static_cast<std::uintptr_t>(machine.gregs[REG_RIP]);
  // Looked at only where a call led nowhere: then the stack is as the call left it.
  if (state.code->location_of(at) == code::no_location)
    std::memcpy(&top, reinterpret_cast<const void*>(machine.gregs[REG_RSP]), sizeof top);
  return {at, top};
#elif defined(__aarch64__)
  return {static_cast<std::uintptr_t>(machine.pc), static_cast<std::uintptr_t>(machine.regs[30])};
#else
  return {};
#endif
}

/// Counted as it grows: should the walk crash, what was found before it stays.
void add_frame(std::uintptr_t address) {
  crash_page& page = *state.page;
  if (page.frames >= crash_page::most_frames) return;
  page.stack[page.frames] = state.code->location_of(address);
  page.frames = page.frames + 1;
}

struct walk {
  std::uintptr_t from;
  int passed = 0;
  bool has_begun = false;
};
_Unwind_Reason_Code on_frame(_Unwind_Context* frame, void* data) {
  auto& w = *static_cast<walk*>(data);
  const std::uintptr_t address = _Unwind_GetIP(frame);
  if (w.has_begun) {
    add_frame(address);
  } else if (address == w.from) {
    w.has_begun = true;
  } else if (++w.passed > most_frames_of_ours) {
    return _URC_NORMAL_STOP;
  }
  return address != 0 && state.page->frames < crash_page::most_frames ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

void note_stack(const void* context) {
  const registers where = read_registers(context);
  add_frame(where.at);
  walk w{where.at};
  _Unwind_Backtrace(on_frame, &w);
  if (state.page->frames == 1 && state.code->location_of(where.caller) != code::no_location) add_frame(where.caller);
}

void note(int signal, const siginfo_t& info, const void* context) {
  crash_page& page = *state.page;
  page.frames = 0;
  page.address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  page.signal = static_cast<std::uint64_t>(signal);
  // A crash inside of the walk comes back here with what there is.
  if (sigsetjmp(state.way_out, 1) == 0) note_stack(context);
}

/// By an instruction that faults again when it is tried again.
bool comes_again(int signal, const siginfo_t& info) {
  return info.si_code > 0 && (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL);
}

void on_crash(int signal, siginfo_t* info, void* context) {
  if (::getpid() != state.owner) die_of(signal);
  pid_t writer = 0;
  const pid_t self = own_thread();
  if (!state.writer.compare_exchange_strong(writer, self)) {
    if (writer == self) siglongjmp(state.way_out, 1);
    for (;;) ::pause();  // another thread crashed a moment before and ends the process
  }
  state.signal.store(signal);
  limit_time();
  note(signal, *info, context);
  for (const int each : watched) use_default(each);
  if (!comes_again(signal, *info)) die_of(signal);
}

/// As the kernel sees it: sanitizers hide their own handlers from sigaction.
bool is_default(int signal) {
  struct {
    void (*handler)(int);
    unsigned long rest[16];
  } now{};
  return ::syscall(SYS_rt_sigaction, signal, nullptr, &now, std::size_t{8}) == 0 && now.handler == SIG_DFL;
}

void watch_signal(int signal) {
  if (!is_default(signal)) return;
  struct sigaction ours {};
  ours.sa_sigaction = on_crash;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigfillset(&ours.sa_mask);
  for (const int each : watched) sigdelset(&ours.sa_mask, each);
  sigdelset(&ours.sa_mask, SIGALRM);
  ::sigaction(signal, &ours, nullptr);
}

/// Stays to the end of the process. A program that has one already keeps it.
void give_own_stack() {
  stack_t now{};
  if (::sigaltstack(nullptr, &now) != 0 || (now.ss_flags & SS_DISABLE) == 0) return;
  void* const memory = ::mmap(nullptr, own_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t ours{};
  ours.ss_sp = memory;
  ours.ss_size = own_stack_bytes;
  ::sigaltstack(&ours, nullptr);
}

template <std::size_t Size>
void put_text(const std::string& from, char (&to)[Size]) {
  const std::size_t size = std::min(from.size(), Size - 1);
  std::memcpy(to, from.data(), size);
  to[size] = '\0';
}

void note_exception() noexcept try {
  if (::getpid() != state.owner) return;
  state.page->has_terminated = 1;
  if (std::current_exception() == nullptr) return;
  const auto thrown = failure_of(std::current_exception());
  put_text(thrown.what, state.page->what);
  put_text(thrown.type.empty() ? "unknown type" : thrown.type, state.page->type);
} catch (...) {
  // Out of memory, say: the signal is noted anyway.
}

/// No signal handler: the thread is in order, only nobody catches.
[[noreturn]] void on_terminate() {
  note_exception();
  state.usual_terminate();
  std::abort();
}

void watch_terminate() {
#ifdef __GLIBCXX__
  if (std::get_terminate() != __gnu_cxx::__verbose_terminate_handler) return;
  state.usual_terminate = std::set_terminate(on_terminate);
#endif
}

/// The first walk may want memory for tables; this one is it.
void warm_unwinder() {
  _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_NO_REASON; }, nullptr);
}

}  // namespace

void note_crashes(crash_page& to, const code_lookup& code) {
  state.page = &to;
  state.code = &code;
  state.owner = ::getpid();
  warm_unwinder();
  give_own_stack();
  for (const int signal : watched) watch_signal(signal);
  watch_terminate();
}

}  // namespace pp::worker
