#include "worker/startup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include "base/block_pool.hpp"
#include "code/image.hpp"
#include "worker/crash_note.hpp"
#include "worker/first_process.hpp"
#include "worker/process_tree.hpp"
#include "worker/runner.hpp"
#include "worker/value_road.hpp"
#include "worker/worker_ring.hpp"

namespace pp::worker {
namespace {

// Programs and libraries expect low numbers for themselves, and some close a few of them blindly.
constexpr int first_high_fd = 100;
// Arguments and a result of 64 MiB, with their rounding: there may be many workers.

bool is_socket_of(int type, int fd) {
  int kind = 0;
  socklen_t size = sizeof kind;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == type;
}
bool is_pipe(int fd) {
  struct stat about;
  return ::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}
bool is_control_page(int fd) {
  struct stat about;
  return ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == sizeof(control_page);
}

/// A job's own children do not get it: they could keep the pipe open after the worker's death.
code::descriptor made_private(int fd) {
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, first_high_fd);
  if (high < 0) {  // a very low limit of open files
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return code::descriptor(fd);
  }
  ::close(fd);
  return code::descriptor(high);
}

/// The signal that follows the node's death is set before exec (launch_child.cpp); exec of another kind of program may
/// take it back, hence this second look. Parent 0: the node is outside of this worker's process ids (sandbox).
void die_with(pid_t node) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t parent = ::getppid();
  if (parent != node && parent != 0) ::_exit(0);
}

/// What the program's static initialisers may have ignored or blocked. Handlers they installed stay: sanitizers need
/// theirs.
void restore_signals() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now;
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

/// When memory runs out, jobs go before the node does. Before exec it is refused where the node cannot be dumped.
void offer_itself_to_oom_killer() {
  if (std::FILE* score = std::fopen("/proc/self/oom_score_adj", "we")) {
    std::fputs("500", score);
    std::fclose(score);
  }
}

[[noreturn]] void end_process(int status) {
  process_tree().kill_descendants(::getpid());
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

/// A job may itself use a client, whose program is this one. Where that cannot be, the job is told when it tries.
void remember_program() {
  try {
    code::image::remember_program();
  } catch (const std::exception&) {
  }
}

ring_descriptors take_ring() {
  const bool has_arguments = ::fcntl(worker_arguments_fd, F_GETFD) >= 0;
  return {made_private(worker_node_half_fd), made_private(worker_worker_half_fd), made_private(worker_wake_fd),
          has_arguments ? made_private(worker_arguments_fd) : code::descriptor()};
}

/// Null if there is no road for values: whoever started this worker has none to give. Lives as long as the process, as what is
/// found by it may.
value_receiver* take_values() {
  const bool is_road = is_socket_of(SOCK_SEQPACKET, worker_values_fd);
  auto fd = made_private(worker_values_fd);
  if (!is_road) return nullptr;
  static auto* const values = new value_receiver(std::move(fd));
  detail::look_for_values_at([](const wire::content_id& content) { return values->find(content); });
  return values;
}

void serve(bool has_ring) {
  worker_pipe pipe(made_private(worker_pipe_fd));
  auto* const values = take_values();
  pipe.watch(values);
  std::optional<worker_ring> ring;
  if (has_ring) ring.emplace(pipe, take_ring(), values);
  worker_road& road = has_ring ? static_cast<worker_road&>(*ring) : pipe;
  control_mapping control = control_mapping::open(worker_control_fd);
  ::close(worker_control_fd);
  output_capture output(control.page(), made_private(worker_stdout_fd), made_private(worker_stderr_fd));
  const auto code = own_image();
  note_crashes(control.page().crash, *code);
  take_signals_of_first_process();  // those that are left
  auto traces = job_traces::of_this_process();
  runner jobs(road, control, output, *code);
  jobs.clean_with(traces);
  jobs.forget_values_of(values);
  jobs.run();
  end_process(0);  // inside, because the capture's thread must still read what is flushed
}

}  // namespace

std::optional<worker_start> read_start(const char* value, std::string& doubt) {
  std::string_view text = value;
  worker_start start;
  const std::string_view mark = worker_ring_mark;
  if (text.size() > mark.size() && text.substr(text.size() - mark.size()) == mark) {
    start.has_ring = true;
    text.remove_suffix(mark.size());
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), start.node);
  if (error != std::errc() || end != text.data() + text.size() || start.node <= 0) {
    doubt = "it is no process id";
  } else if (!is_socket_of(SOCK_STREAM, worker_pipe_fd) || !is_control_page(worker_control_fd) ||
             !is_pipe(worker_stdout_fd) || !is_pipe(worker_stderr_fd)) {
    doubt = "the descriptors of a worker are missing";
  } else {
    return start;
  }
  return std::nullopt;
}

void run_worker(const worker_start& start) {
  die_with(start.node);
  ::close(worker_program_fd);
  restore_signals();
  ::prctl(PR_SET_NAME, "pp-worker");
  offer_itself_to_oom_killer();
  warm_blocks().keep_at_most(kept_for_payloads);
  remember_program();
  try {
    serve(start.has_ring);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pp: this process cannot be a worker: %s\n", e.what());
  }
  end_process(1);
}

}  // namespace pp::worker
