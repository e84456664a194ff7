// Places for large payloads in one stretch of shared memory: first fit from the low end, so that pages stay warm.
//
// Promises: pure; places never overlap and lie within the size; they are aligned to 64. Threads: one at a time.
// Must not know: whose memory it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace pp::worker {

class arena {
 public:
  static constexpr std::uint64_t alignment = 64;

  explicit arena(std::uint64_t size) : size_(size) {}

  /// The offset of `length` free bytes; nothing if there is no such place.
  std::optional<std::uint64_t> take(std::uint64_t length);
  /// Requires: take() gave `offset`, and it was not given back since.
  void give_back(std::uint64_t offset);
  bool is_empty() const { return taken_.empty(); }
  /// The end of the highest place in use.
  std::uint64_t end() const { return taken_.empty() ? 0 : taken_.rbegin()->first + taken_.rbegin()->second; }

 private:
  std::uint64_t size_;
  std::map<std::uint64_t, std::uint64_t> taken_;  ///< offset → length; few at a time
};

}  // namespace pp::worker
