#include "worker/job_traces.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "worker/orphans.hpp"
#include "worker/tree_removal.hpp"

namespace pp::worker {
namespace {

constexpr std::size_t swept_at_once = 1024;
constexpr int most_sweeps = 100'000;
// Time stamps of files follow a clock that advances once in up to 10 ms: two changes within may bear the same.
constexpr long clock_tick_ns = 20'000'000;

timespec coarse_time(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return t;
}
bool is_same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }
bool is_recent(const timespec& t) {
  const auto now = coarse_time(CLOCK_REALTIME_COARSE);
  const auto passed = (now.tv_sec - t.tv_sec) * 1'000'000'000L + (now.tv_nsec - t.tv_nsec);
  return passed < clock_tick_ns;
}

}  // namespace

job_traces::job_traces(const std::string& directory) {
  if (directory.empty() || directory.front() != '/') return;
  path_ = directory;
  directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

job_traces job_traces::of_this_process() {
  const char* given = std::getenv(mark_variable);
  struct stat here, there;
  const bool is_here = given != nullptr && ::stat(".", &here) == 0 && ::stat(given, &there) == 0 &&
                       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
  return job_traces(is_here ? given : "");
}

void job_traces::clean_after_work(duration run_time) {
  if (!path_.empty()) restore_directory();
  if (run_time >= shortest_reaped) reap();
}

void job_traces::restore_directory() {
  struct stat about;
  const bool is_there = directory_ && ::fstat(directory_.get(), &about) == 0 && about.st_nlink > 0;
  if (!is_there) return open_again();
  static_cast<void>(!::fchdir(directory_.get()));
  if (is_same(about.st_ctim, changed_) && !is_recent(changed_)) return;
  // A job may have closed it to the next one; the time of the last change tells that too, and no job can set it.
  if ((about.st_mode & 07777) != 0700) ::fchmod(directory_.get(), 0700);
  for (int i = 0; i < most_sweeps && empty_some(directory_.get(), swept_at_once) == removal::unfinished; ++i) {
  }
  if (::fstat(directory_.get(), &about) == 0) changed_ = about.st_ctim;
}

/// The job removed its own directory.
void job_traces::open_again() {
  ::mkdir(path_.c_str(), 0700);
  directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory_) static_cast<void>(!::fchdir(directory_.get()));
  changed_ = {};
}

void job_traces::reap() {
  const auto now = coarse_time(CLOCK_MONOTONIC_COARSE);
  if (now.tv_sec - reaped_.tv_sec < 1) return;
  reaped_ = now;
  siginfo_t ended{};
  while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG) == 0 && ended.si_pid != 0) ended.si_pid = 0;
}

}  // namespace pp::worker
