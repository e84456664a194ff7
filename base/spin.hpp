// How long to look for work before sleeping: waking a sleeper costs tens of microseconds, so a short wait is cheaper awake.
//
// The rule: look for `full` (two wake-ups long; shorter is useless) only after there was work; a look that ended in a
// long sleep halves the next one, a wait that a full look would have covered restores it. On a busy machine the budget
// thus falls to nothing by itself, and comes back when waits become short. (docs/performance.md has the measurements.)
// Pure: times are given. Threads: one at a time.
#pragma once

#include <sched.h>

#include "base/clock.hpp"

namespace pp {

class spin_budget {
 public:
  static constexpr duration full_by_default = std::chrono::microseconds(100);
  static constexpr duration shortest = std::chrono::microseconds(20);  ///< below this it is off

  explicit spin_budget(duration full = full_by_default) : spin_budget(full, full) {}
  /// Goes on where another one's state() was.
  spin_budget(duration full, duration state) : full_(full), now_(state) {}
  duration state() const { return now_; }

  /// How long to look now; zero = not at all.
  duration allowed() const { return now_ < shortest ? duration(0) : now_; }
  /// What was waited for came, `waited` after the wait began, asleep or not.
  void on_waited(duration waited) {
    if (waited <= full_) {
      now_ = full_;
    } else if (now_ >= shortest) {
      now_ /= 2;
    }
  }

 private:
  duration full_, now_;
};

/// One look's pause: lets the other hyperthread run, then gives the core away if somebody wants it.
inline void pause_while_looking() {
  for (int i = 0; i < 16; ++i) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  ::sched_yield();
}

}  // namespace pp
