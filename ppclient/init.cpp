#include "pp/init.hpp"

#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "code/image.hpp"
#include "pp/detail/capsule.hpp"
#include "ppclient/replay.hpp"
#include "worker/control.hpp"
#include "worker/startup.hpp"

namespace pp {
namespace {

std::atomic<bool> called{false};

/// What a node said if this process was started as a worker. The variable goes in any case, so that programs which
/// this one or its jobs start are not taken for workers.
std::optional<worker::worker_start> take_worker_start() {
  const char* value = std::getenv(worker::worker_variable);
  if (value == nullptr) return std::nullopt;
  std::string doubt;
  const auto start = worker::read_start(value, doubt);
  const std::string given = value;
  ::unsetenv(worker::worker_variable);
  if (!start)
    log::warn("worker_variable_ignored", {{"name", worker::worker_variable}, {"value", given}, {"reason", doubt}});
  return start;
}

/// Which saved job to run in place of the program, if any; not for what this program starts.
std::string take_replay() {
  const char* const value = ::secure_getenv(detail::replay_variable);
  const std::string path = value != nullptr ? value : "";
  ::unsetenv(detail::replay_variable);
  return path;
}

}  // namespace

void init(int, char**) {
  const auto start = take_worker_start();
  const std::string capsule = take_replay();
  called.store(true, std::memory_order_release);
  if (start) {
    // It was for this start only; the loader has read it and goes on using what it read.
    ::unsetenv("LD_LIBRARY_PATH");
    worker::run_worker(*start);
  }
  if (!capsule.empty()) ppclient::replay(capsule);
  code::image::remember_program();
}

bool detail::is_initialised() noexcept { return called.load(std::memory_order_acquire); }

}  // namespace pp
