// The half of client::map that knows no types: how many items go at once, and what is waited for.
//
// Promises: chunks are cut in the order of the range and their results handed on in the same order. However it ends, no
// chunk is left running. Threads: the caller's, which also runs `items`. Must not know: ranges, outputs, nodes.
#pragma once

#include <cstdint>
#include <optional>

#include "pp/detail/callable.hpp"
#include "pp/options.hpp"

namespace pp::detail {

class client_core;

/// What a map does with its range and its output; may throw.
class map_items {
 public:
  /// Appends a chunk: up to `most` items, but not many more bytes than `most_bytes`. Tells how many; 0 at the range's end.
  virtual std::uint64_t pack(payload& into, std::uint64_t first, std::uint64_t most, std::size_t most_bytes) = 0;
  /// The results of the `count` items that follow those of the last call.
  virtual void unpack(const std::uint8_t* from, std::size_t size, std::uint64_t count) = 0;
  /// How many items there are in all, if that is known.
  virtual std::optional<std::uint64_t> total() const = 0;

 protected:
  ~map_items() = default;
};

/// Throws what client::map throws.
void run_map(client_core& core, const call_code& code, map_items& items, const map_options& how);

/// How many jobs run at once where the client can send any now.
unsigned count_slots(const client_core& core) noexcept;
/// True if results are kept, and found again only if chunks are cut in the same way.
bool has_journal(client_core& core) noexcept;

}  // namespace pp::detail
