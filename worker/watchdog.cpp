#include "worker/watchdog.hpp"

#include <algorithm>

namespace pp::worker {

void watchdog::note(std::uint64_t sequence) {
  if (knows(sequence)) return;
  *this = {};
  is_known_ = true;
  sequence_ = sequence;
}

watchdog::verdict watchdog::look(std::uint64_t sequence, const usage& used, const limits& l) {
  note(sequence);
  if (!was_looked_at_) cpu_before_ = used.cpu;
  was_looked_at_ = true;
  // What a child that nobody waited for had used goes with it.
  last_ = {used.memory, std::max(last_.cpu, used.cpu - cpu_before_)};
  peak_ = std::max(peak_, used.memory);
  if (l.memory != 0 && used.memory > l.memory) return verdict::memory;
  if (l.cpu.count() != 0 && last_.cpu > l.cpu) return verdict::cpu;
  return verdict::fine;
}

usage watchdog::last(std::uint64_t sequence) const { return knows(sequence) ? last_ : usage(); }

}  // namespace pp::worker
