// What a job prints: kept apart from the pipe to the node, bounded, and delivered with the result.
//
// Descriptors 1 and 2 of a worker are pipes whose read ends the worker holds itself. A thread moves what arrives into
// the control page, so a job that prints for ever never blocks and never grows memory, and the node can read it after a
// crash. A job's output is what arrived between the end of the job before and its own end; what was printed before the
// worker was ready (static initialisers) belongs to no job: it is shown only if the worker does not get ready.
// Threads: as said at each function. Must not know: jobs, results.
#pragma once

#include <mutex>
#include <optional>
#include <thread>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "code/descriptor.hpp"
#include "wire/message.hpp"
#include "worker/control.hpp"

namespace pp::worker {

/// One stream's bytes: the first part, and a ring of the last part. Points into memory of somebody else.
class kept_stream {
 public:
  /// `head` and `tail` have `part` bytes each. Requires: part > 0.
  kept_stream(std::uint8_t* head, std::uint8_t* tail, std::uint64_t total, std::size_t part = stream_part)
      : head_(head), tail_(tail), total_(total), part_(part) {}

  std::uint64_t total() const { return total_; }
  /// Where the next bytes belong; never empty. After writing there, grew().
  mutable_byte_view room() const;
  void grew(std::size_t count) { total_ += count; }
  /// Appends to `to` what is kept; returns how many bytes are missing between the two parts.
  std::uint64_t read(bytes& to) const;

 private:
  std::uint8_t* head_;
  std::uint8_t* tail_;
  std::uint64_t total_;
  std::size_t part_;
};

/// What a job printed, as bytes of our own.
struct printed_text {
  bytes out, err;
  std::uint64_t out_dropped = 0, err_dropped = 0;

  bool empty() const { return out.empty() && err.empty(); }
  wire::output view() const { return {out_dropped, err_dropped, out, err}; }
};

/// Flushing what the standard streams hold back costs several times an empty job, so it is done only where something may
/// be held back.
class standard_streams {
 public:
  standard_streams();
  /// True if anything was, or may have been, written.
  bool flush();

 private:
  /// The buffers that std::cout and its like have while they hand everything on to stdout and stderr at once; null if
  /// they did not.
  const void* passing_on_[3];
};

/// Worker side.
class output_capture {
 public:
  /// Starts the thread; owns the read ends. `page` must outlive this, and says how much is kept.
  output_capture(control_page& page, code::descriptor out, code::descriptor err);
  output_capture(const output_capture&) = delete;
  output_capture& operator=(const output_capture&) = delete;
  ~output_capture();

  /// A job that was faster than this has not written to a pipe that a thread waits for: that takes several times as
  /// long as an empty system call.
  static constexpr duration fastest_write = std::chrono::nanoseconds(120);

  /// Flushes C and C++ output streams, then gives what was printed since the last call; nothing if that is nothing.
  /// After a job that took less than fastest_write nothing is looked for in the pipes, which would cost more than the
  /// job itself. Threads: the one that runs jobs.
  std::optional<printed_text> take(duration run_time);
  /// Forgets what was printed so far. Threads: the same.
  void discard();

 private:
  void watch();
  void drain(int which, std::size_t limit);
  bool anything_waits() const;
  bool is_anything_kept() const;
  kept_stream stream(int which) const;

  control_page& page_;
  const std::size_t kept_;  ///< at each end of a stream; the page belongs to jobs as much as to us
  standard_streams streams_;
  std::mutex mutex_;  ///< guards the page's streams and the reading ends
  code::descriptor ends_[2];
  code::descriptor stop_;
  std::thread thread_;
};

/// Node side, after the worker's death: what its running job had printed, or what came before READY. The page and the
/// read ends are hostile; nothing in them can make this read out of bounds, block, or take more than `kept` bytes of each
/// end of a stream. -1 for no read end. Requires: 0 < kept <= stream_part, and that the page said so from the start.
printed_text read_after_crash(const control_page& page, int out_fd, int err_fd, std::size_t kept = stream_part);

}  // namespace pp::worker
