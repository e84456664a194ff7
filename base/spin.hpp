// How long to look for work before sleeping: waking a sleeper costs tens of microseconds, so a short wait is cheaper awake.
//
// The rule: look for `full` (two wake-ups long; shorter is useless) only after there was work; a look that ended in a
// long sleep halves the next one, a wait that a full look would have covered restores it. Between two looks the core is
// given away; if it does not come back at once, somebody else needs it, and nobody looks for a while, longer each time.
// And after a heap of work nobody looks: the next heap is worth a wake-up, and the core is better used by whoever makes
// it. So looking costs nothing on a busy machine. (docs/decisions/0009 has the measurements.)
// Threads: one at a time.
#pragma once

#include <sched.h>

#include <algorithm>

#include "base/clock.hpp"

namespace pp {

/// Pure: times are given.
class spin_budget {
 public:
  static constexpr duration full_by_default = std::chrono::microseconds(100);
  static constexpr duration shortest = std::chrono::microseconds(20);  ///< below this it is off
  static constexpr duration shortest_rest = std::chrono::milliseconds(5);
  static constexpr duration longest_rest = std::chrono::seconds(1);
  static constexpr unsigned heap = 16;  ///< things done in a row after which the next wait is spent asleep

  explicit spin_budget(duration full = full_by_default) : full_(full), now_(full) {}

  /// How long to look now; zero = not at all.
  duration allowed(time_point at) const {
    return now_ < shortest || at < rests_until_ || work_ >= heap ? duration(0) : now_;
  }
  /// So many things were done since the last wait.
  void on_work(unsigned amount) { work_ += amount; }
  /// What was waited for came, `waited` after the wait began, asleep or not.
  void on_waited(duration waited) {
    work_ = 0;
    if (waited <= full_) {
      now_ = full_;
    } else if (now_ >= shortest) {
      now_ /= 2;
    }
  }
  /// A look found what it was for.
  void on_found() {
    work_ = 0;
    now_ = full_;
    rest_ = shortest_rest;
  }
  /// The core was needed by somebody else.
  void on_contended(time_point at) {
    rests_until_ = at + rest_;
    rest_ = std::min(2 * rest_, longest_rest);
  }

 private:
  duration full_, now_;
  duration rest_ = shortest_rest;
  time_point rests_until_{};
  unsigned work_ = 0;
};

/// Lets the other hyperthread run, then gives the core away if somebody wants it. False if it did not come back at once.
inline bool pause_while_looking() {
  constexpr duration at_once = std::chrono::microseconds(40);
  for (int i = 0; i < 16; ++i) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  const auto before = now();
  ::sched_yield();
  return now() - before < at_once;
}

/// Asks `found` again and again for as long as the budget allows. True if it said so.
template <class Found>
bool look(spin_budget& budget, Found found) {
  const auto began = now();
  const auto length = budget.allowed(began);
  if (length == duration(0)) return false;
  do {
    const bool is_free = pause_while_looking();
    if (found()) {
      if (is_free) budget.on_found();
      return true;
    }
    if (!is_free) {
      budget.on_contended(now());
      return false;
    }
  } while (now() - began < length);
  return false;
}

}  // namespace pp
