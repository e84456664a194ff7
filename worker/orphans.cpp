#include "worker/orphans.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/clock.hpp"
#include "code/directory.hpp"
#include "net/deadline.hpp"
#include "worker/process_tree.hpp"

namespace pp::worker {
namespace {

// A process that hangs in the kernel takes longer; whoever ends next finds it again.
constexpr auto patience = std::chrono::seconds(2);
constexpr auto first_pause = std::chrono::milliseconds(1), longest_pause = std::chrono::milliseconds(50);

/// When to look again, and whether to.
class pauses {
 public:
  duration next() { return std::exchange(next_, std::min<duration>(2 * next_, longest_pause)); }
  bool is_over() const { return now() > limit_; }

 private:
  duration next_ = first_pause;
  time_point limit_ = now() + patience;
};

}  // namespace

void orphans::adopt() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }

bool orphans::end_some() {
  const process_tree processes;
  bool were_there = false;
  for (const auto child : processes.children_of(::getpid())) {
    if (workers_.count(child) != 0) continue;
    processes.kill_tree(child);
    ::waitpid(child, nullptr, WNOHANG);
    were_there = true;  // what was below it is ours only now
  }
  return were_there;
}

net::awaitable<void> orphans::end_all() {
  pauses pause;
  while (end_some() && !pause.is_over()) co_await net::sleep_for(pause.next());
}

std::string make_mark() {
  const char* outer = std::getenv(mark_variable);
  return (outer != nullptr ? std::string(outer) + "/" : "") + "local:" + code::random_name();
}

net::awaitable<void> end_marked(std::string mark) {
  const process_tree processes;
  pauses pause;
  for (;;) {
    const auto found = processes.marked(mark_variable, mark, {});
    for (const auto& process : found) processes.kill_tree(process.pid);
    if (found.empty() || pause.is_over()) co_return;
    co_await net::sleep_for(pause.next());
  }
}

}  // namespace pp::worker
