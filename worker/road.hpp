// The road to a worker: jobs out, results back, and the claim words that tell which job has begun.
//
// One abstract class, because there are two kinds: a ring in shared memory (ring_road.hpp) and a stream socket pair
// (stream_road.hpp). Jobs have a sequence, their number on this road from 0; the worker answers in that order and skips what was
// taken back.
// Promises: send_job never blocks and never copies a large payload; what arrives is bounded before it is allocated;
// bytes that make no sense end this road only (on_broken), never the process. Threads: the I/O thread only.
// Must not know: whose jobs these are, what is in a payload.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/block_pool.hpp"
#include "net/asio.hpp"
#include "pp/detail/payload.hpp"
#include "worker/control.hpp"

namespace pp::worker {

/// The bytes of a job, a whole SUBMIT payload, while somebody may still have to send them: few ones by value, many as a
/// block that a road may share (it may be in the middle of writing them when the job is taken back and given to another
/// worker).
class job_bytes {
 public:
  static constexpr std::size_t largest_copied = 16 * 1024;

  job_bytes() = default;
  explicit job_bytes(byte_view all) : job_bytes(all, {}) {}
  /// Both parts one behind the other, in `place` if it is not empty. Requires: then it has room for them.
  job_bytes(byte_view first, byte_view second, block place = {}) {
    const std::size_t size = first.size() + second.size();
    if (size > largest_copied) {
      large_ = place ? std::move(place) : size < block_pool::smallest ? block::on_heap(size) : warm_blocks().take(size);
      std::copy(first.begin(), first.end(), large_.writable().begin());
      std::copy(second.begin(), second.end(), large_.writable().begin() + static_cast<std::ptrdiff_t>(first.size()));
    } else {
      small_.append(first.data(), first.size());
      small_.append(second.data(), second.size());
    }
  }
  explicit job_bytes(block all) : large_(std::move(all)) {}

  byte_view view() const { return large_ ? large_.view() : byte_view(small_.data(), small_.size()); }
  mutable_byte_view writable() { return large_ ? large_.writable() : mutable_byte_view(small_.data(), small_.size()); }
  void reset() {
    small_.reset();
    large_ = {};
  }
  /// Empty if the bytes are few enough to be copied.
  const block& large() const { return large_; }

 private:
  detail::payload small_;
  block large_;  ///< owners: the pool's job and the roads that write it
};

/// The kinds of road, as options name them: a ring where there is room for one, else a socket pair.
enum class road_kind : std::uint8_t { automatic, ring, socket };

/// What a road tells, from run(), from drain() and from the loop (net/loop); only on_broken also from send_job().
class road_events {
 public:
  virtual ~road_events() = default;
  virtual void on_ready() = 0;
  virtual void on_unfit(const std::string& reason) = 0;
  /// `payload` is a whole RESULT payload with at least wire::result_head::size bytes.
  virtual void on_result(std::uint64_t sequence, std::uint16_t attempt, handed_bytes payload) = 0;
  /// All that one read gave was told: the moment to act on it together.
  virtual void on_batch_end() = 0;
  /// The road has ended: `reason` is empty if the worker closed it, else says what it did wrong.
  virtual void on_broken(const std::string& reason) = 0;
};

class road {
 public:
  virtual ~road() = default;

  /// Borrowed for the spawn; release_worker_end() closes here what only the worker needs.
  virtual worker_descriptors worker_ends() const = 0;
  virtual void release_worker_end() = 0;

  /// Reads and writes until the road ends or is closed; never throws for that. Run once.
  virtual net::awaitable<void> run(road_events& to) = 0;
  /// After the worker's death: tells the results that are still on the road.
  virtual void drain(road_events& to) = 0;
  /// The worker finds the end of its jobs after those already sent, and exits.
  virtual void finish() = 0;
  /// Ends run() at its next step; nothing is told any more.
  virtual void close() noexcept = 0;

  virtual void send_program(byte_view manifest) = 0;
  /// Requires: `sequence` follows the one before, and fewer than claim_slots are outstanding.
  virtual void send_job(std::uint64_t sequence, std::uint16_t attempt, const job_bytes& job) = 0;
  /// Many jobs, one system call: writes what the last sends appended as far as it goes at once.
  virtual void flush() = 0;

  /// True if the job had not begun; then it never will here.
  virtual bool take_back(std::uint64_t sequence) = 0;
  virtual claim fate_of(std::uint64_t sequence) const = 0;
  virtual control_page& page() = 0;
};

}  // namespace pp::worker
