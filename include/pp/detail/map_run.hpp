// The half of client::map and its relatives that knows no types: how many items go at once, and what is waited for.
//
// Promises: chunks are cut in the order of the range, and their results handed on in that order or as they come. However
// it ends, what is not done then is cancelled. Threads: the caller's, which also runs `items`. Must not know: ranges,
// outputs, nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "pp/detail/callable.hpp"
#include "pp/detail/job_handle.hpp"
#include "pp/options.hpp"

namespace pp::detail {

class client_core;

/// What came back for `count` items from number `first` on.
struct chunk_result {
  std::uint64_t first, count;
  const std::uint8_t* data;
  std::size_t size;
  const job_handle* job;
};

/// What a map does with its range and its output; may throw.
class map_items {
 public:
  /// Appends a chunk: up to `most` items, but not many more bytes than `most_bytes`. Tells how many; 0 at the range's end.
  virtual std::uint64_t pack(payload& into, std::uint64_t first, std::uint64_t most, std::size_t most_bytes) = 0;
  virtual void unpack(const chunk_result& from) = 0;
  /// A chunk has no results. False if that ends the map with the error.
  virtual bool take_failure(std::uint64_t, std::uint64_t, const error&) { return false; }
  /// How many items there are in all, if that is known.
  virtual std::optional<std::uint64_t> total() const = 0;

 protected:
  ~map_items() = default;
};

struct map_shape {
  bool is_ordered = true;        ///< results are handed on in the order of the range
  std::uint64_t most_items = 0;  ///< sent and not handed on at any time; 0 = as many as keep all slots at work
};

/// A map that goes on only while it is asked to.
class map_run {
 public:
  /// All of them outlive it. Throws pp::error(errc::bad_option).
  map_run(client_core& core, const call_code& code, map_items& items, const map_options& how, const map_shape& shape);
  map_run(const map_run&) = delete;
  map_run& operator=(const map_run&) = delete;
  /// Cancels what is under way.
  ~map_run();

  /// Sends what may be sent, waits for a chunk and hands it on. False when there is none any more. Throws what
  /// client::map throws; it cannot go on then.
  bool step();

 private:
  class loop;
  std::unique_ptr<loop> loop_;
};

/// All of it.
void run_map(client_core& core, const call_code& code, map_items& items, const map_options& how,
             const map_shape& shape = {});

/// How many jobs run at once where the client can send any now.
unsigned count_slots(const client_core& core) noexcept;
/// True if results are kept, and found again only if chunks are cut in the same way.
bool has_journal(client_core& core) noexcept;

}  // namespace pp::detail
