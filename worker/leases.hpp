// Which workers are checked out: one owner's alone until it checks them in, or is gone.
//
// Promises: an owner's name stands for one worker at a time. Pure: no clock, no jobs; dispatch_leases.cpp decides.
// Must not know: what jobs are, which worker is idle.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pp::worker {

struct lease {
  enum class state : std::uint8_t {
    open,
    closing,  ///< checked in, but there are jobs left for it
    over      ///< its group is forgotten one turn later, when nothing names its jobs any more
  };
  std::uint32_t owner = 0;
  std::uint64_t place = 0;  ///< the owner's name for it
  std::uint32_t group = 0;  ///< of its own
  std::uint32_t worker = 0;
  state is = state::open;
  bool was_seen_over = false;
};

class lease_table {
 public:
  /// Requires: find(owner, place) is null.
  void add(std::uint32_t owner, std::uint64_t place, std::uint32_t group, std::uint32_t worker) {
    all_.push_back({owner, place, group, worker});
    ++lent_;
  }
  /// The open one of that name, or null.
  lease* find(std::uint32_t owner, std::uint64_t place) {
    return first([&](const lease& l) { return l.is == lease::state::open && l.owner == owner && l.place == place; });
  }
  /// The one that has this worker, or null.
  lease* of_worker(std::uint32_t worker) {
    return first([&](const lease& l) { return l.is != lease::state::over && l.worker == worker; });
  }
  /// Its worker is anybody's again, or dead.
  void end(lease& l) {
    l.is = lease::state::over;
    --lent_;
  }
  /// Drops those that were over at the call before this one; `forget(group)` for each.
  template <class F>
  void sweep(F forget) {
    std::erase_if(all_, [&](const lease& l) {
      if (l.was_seen_over) forget(l.group);
      return l.was_seen_over;
    });
    for (auto& l : all_) l.was_seen_over = l.is == lease::state::over;
  }
  /// Those that are over among them.
  std::vector<lease>& all() { return all_; }
  /// Workers checked out now.
  std::size_t lent() const { return lent_; }

 private:
  template <class P>
  lease* first(P is_meant) {
    const auto found = std::find_if(all_.begin(), all_.end(), is_meant);
    return found == all_.end() ? nullptr : &*found;
  }

  std::vector<lease> all_;  // as many as slots at most, about
  std::size_t lent_ = 0;
};

}  // namespace pp::worker
