#include "worker/first_process.hpp"

#include <signal.h>
#include <unistd.h>

namespace pp::worker {
namespace {

constexpr int status_base = 128;

void end_with(int number) { ::_exit(status_base + number); }

/// Those that end an ordinary process which does not handle them.
bool ends_a_process(int number) {
  switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH: return false;
    default: return true;
  }
}

}  // namespace

void take_signals_of_first_process() {
  if (::getpid() != 1) return;
  for (int number = 1; number < 32; ++number) {
    struct sigaction now {};
    if (!ends_a_process(number) || ::sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    now.sa_handler = end_with;
    ::sigaction(number, &now, nullptr);
  }
}

int signal_of_status(int status) {
  const int number = status - status_base;
  return number > 0 && number < 32 && ends_a_process(number) ? number : 0;
}

}  // namespace pp::worker
