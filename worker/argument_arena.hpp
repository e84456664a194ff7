// Where large arguments lie for all workers of one image and key: written once by the node, straight from the
// connection, and read in place by whichever worker gets the job.
//
// Promises: take() never blocks and never throws; without room it gives nothing and the caller uses memory of its own.
// A place is given back when the last block of it goes. Threads: the I/O thread only (also for the blocks).
#pragma once

#include <memory>
#include <optional>

#include "base/block.hpp"
#include "worker/arena.hpp"
#include "worker/shared_memory.hpp"

namespace pp::worker {

class argument_arena : public std::enable_shared_from_this<argument_arena> {
 public:
  static constexpr std::size_t size = std::size_t{256} << 20U;

  /// Null if there is no address space or no descriptor left: jobs then travel over the socket pair.
  static std::shared_ptr<argument_arena> create();

  block take(std::size_t length);
  /// Where a block lies, if it is one of ours.
  std::optional<std::uint64_t> offset_of(const block& b) const;
  int fd() const { return memory_.fd(); }

 private:
  explicit argument_arena(shared_memory memory) : memory_(std::move(memory)) {}

  shared_memory memory_;
  arena places_{size};
};

}  // namespace pp::worker
