// How many jobs one client may have at this node at once: its slots and as many more as fill about 20 ms of them.
//
// Credit is what keeps a worker finding its next job already here, and a long job from being bound to a busy node. A SUBMIT
// uses one up, the RESULT gives 0, 1 or 2 back, and a CREDIT message corrects more at once. The window (what is here plus what
// the client may still send) starts at twice the slots, opens to 4,096 within a few milliseconds of empty jobs, closes as soon
// as they are long, or large: what waits here is held in memory.
//
// Promises: pure. The window never falls below the session's share of the slots, and never below 1. A client that keeps to the
// rules never has more here than the largest window it was ever given.
// Must not know: channels, pools, clocks.
#pragma once

#include <cstdint>
#include <map>

#include "base/clock.hpp"

namespace pp::worker {

class credit_window {
 public:
  struct limits {
    std::uint32_t largest = 4096;
    duration fill = std::chrono::milliseconds(20);  ///< how long the jobs held here should keep the slots busy
    std::uint64_t held_bytes = 64ULL << 20U;        ///< about how many bytes of arguments may wait here
    std::uint32_t tolerance = 64;                   ///< jobs beyond every credit given that are still forgiven
  };

  credit_window(unsigned slots, const limits& l);
  explicit credit_window(unsigned slots) : credit_window(slots, limits{}) {}

  /// What WELCOME grants.
  std::uint32_t initial() const { return initial_; }

  /// A job of this size came in. False: the client is so far beyond its credit that it cannot be an honest mistake.
  bool on_submit(std::uint64_t payload_bytes);
  /// A job that ran goes back: the credit to return with it. `mean_run_time` is that of the client's recent jobs.
  std::uint8_t on_result(duration mean_run_time);
  /// A job goes back that was never begun: it teaches nothing, and exactly its own credit returns.
  std::uint8_t on_returned();

  /// The slots this session may count on now. The window follows with on_result() and correction().
  void set_share(unsigned slots);

  /// The change to send as a CREDIT message now; 0 while the credit bytes of results do well enough.
  std::int32_t correction();

  std::uint32_t window() const { return window_; }
  std::uint32_t target() const { return target_; }
  std::uint32_t outstanding() const { return outstanding_; }

 private:
  void aim();
  std::uint32_t by_time() const;
  std::uint32_t by_size() const;

  limits limits_;
  std::uint32_t share_, initial_, window_, target_;
  std::uint32_t peak_;  ///< the largest window so far: no honest client has more here than this
  std::uint32_t outstanding_ = 0;
  bool measured_ = false;  ///< a job has run
  duration mean_{};
  std::uint64_t ahead_ = 0;       ///< how many jobs of that length fill one slot; kept because a division takes long
  std::uint64_t mean_bytes_ = 0;  ///< of arguments, over about the last eight jobs
};

/// Divides the slots among the sessions that have had jobs here lately.
class fair_share {
 public:
  explicit fair_share(unsigned slots) : slots_(slots) {}

  void on_session_began(std::uint64_t session) { last_busy_.emplace(session, time_point::min()); }
  void on_session_ended(std::uint64_t session) { last_busy_.erase(session); }
  void on_busy(std::uint64_t session, time_point now) { last_busy_[session] = now; }
  void set_slots(unsigned slots) { slots_ = slots; }

  /// The slots this session may count on: all of them if it is alone, at least 1.
  unsigned share_of(std::uint64_t session, time_point now) const;

 private:
  /// A session is counted this long after its last job, so that one that sends job by job does not make others flap.
  static constexpr duration memory = std::chrono::seconds(1);

  unsigned slots_;
  std::map<std::uint64_t, time_point> last_busy_;
};

}  // namespace pp::worker
