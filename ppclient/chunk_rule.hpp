// How many items of a map travel together as one job: events in, a number out.
//
// Promises: the first chunks are small, so that nothing is risked on items that may take hours and a short map spreads over
// all slots; from what came back the size grows to chunks of some milliseconds, bounded in bytes; where the end is known it
// shrinks towards it (guided self-scheduling), so that slots finish together, but never to chunks that cost more to send
// than to run. Pure: no clock. Must not know: jobs, types of items.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pp::ppclient {

class chunk_rule {
 public:
  static constexpr std::uint64_t largest = std::uint64_t{1} << 30U;
  static constexpr unsigned chunks_per_slot =
      4;  ///< under way at once, and left to give out as long as that is possible

  /// `fixed` items always, or 0 = as measured. Throws pp::error(errc::bad_option).
  explicit chunk_rule(std::size_t fixed);

  /// A chunk came back: `bytes` is what its arguments and results took together.
  void on_done(std::uint64_t items, std::size_t bytes, std::chrono::microseconds run_time);

  /// The next chunk's size, at least 1. `left`: items not given out yet, if that is known.
  std::uint64_t next(unsigned slots, std::optional<std::uint64_t> left) const;
  /// The bytes of arguments at which a chunk is full, whatever next() said.
  std::size_t most_bytes() const;

 private:
  std::uint64_t measured_size() const;

  std::uint64_t fixed_;
  // Sums in which what is older counts half as much each time. In nanoseconds: a chunk's run time and its way there and back.
  double items_ = 0, cost_ns_ = 0, bytes_ = 0;
  std::uint64_t most_items_ = 0;  ///< in one chunk that came back
};

}  // namespace pp::ppclient
