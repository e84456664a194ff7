#include "worker/arena.hpp"

#include "base/check.hpp"

namespace pp::worker {

std::optional<std::uint64_t> arena::take(std::uint64_t length) {
  if (length > size_) return std::nullopt;
  const std::uint64_t rounded = (length + alignment - 1) / alignment * alignment;
  std::uint64_t at = 0;
  for (const auto& [offset, taken] : taken_) {
    if (offset - at >= rounded) break;
    at = offset + taken;
  }
  if (rounded > size_ - at || rounded == 0) return std::nullopt;
  taken_.emplace(at, rounded);
  return at;
}

void arena::give_back(std::uint64_t offset) {
  const auto erased = taken_.erase(offset);
  PP_ASSERT(erased == 1);
}

}  // namespace pp::worker
