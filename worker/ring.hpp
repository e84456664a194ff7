// The shared-memory road between node and worker: job ring, result ring, wake-up flags, arenas; never trusts what the
// other side wrote.
//
// Layout (native byte order; both sides are on one machine). Two memfds beside the control page (control.hpp), which
// keeps the claim words. The node writes the first and the worker can only read it; the worker writes the second.
//
//   node half    0      u64 magic "PPJOBS1\0" · u32 spin: how long a worker looks for work before it sleeps, µs · u32 zero
//                64     u64 job tail: bytes of job frames published, ever growing
//                128    u64 result head: bytes of result frames the node has passed
//                192    u32 node epoch: odd while the node sleeps; a worker that publishes a result wakes it once per epoch
//                256    64 × u32 returned: how often the place of that number in the result arena was given back
//                4096   256 KiB job ring
//   worker half  0      u64 magic "PPRSLT1\0"
//                64     u64 job head: bytes of job frames the worker has passed
//                128    u64 result tail: bytes of result frames published
//                192    u32 worker sleeps: 1 = the node must wake it by a byte on descriptor 10
//                4096   256 KiB result ring
//                266240 result arena (256 MiB, pages only where it was used)
//   arguments    one memfd for all workers of one image and key, read-only to them: places for large arguments
//
// A frame stands at its position modulo the ring's size, aligned to 32, and never wraps: a `skip` frame fills the end.
//
//   0   u64 sequence    of the job on this road, from 0
//   8   u64 offset      in the arena, if it is there
//   16  u32 length      of the payload (SUBMIT or RESULT, wire/message.hpp)
//   20  u16 attempt
//   22  u8  where       0 here, behind this header · 1 in the arena · 2 comes over the socket pair next · 3 skip
//   23  u8  place       number of the place in the result arena (0 for jobs)
//   24  u64 zero
//
// No frame is ever refused for want of room: a payload stands here only if it is short and 512 headers still fit
// behind it, else it goes through the arena, and when that is full over the socket pair; and no more than claim_slots
// jobs are on the road at once. No more jobs come when the node has shut its writing side of the socket pair.
//
// Trust: user code in the worker can scribble on all of the worker half. Every index read there is copied before it is
// checked, and checked against what this side knows; the payloads behind are opaque anyway. Pure: works on memory it
// is given. Threads: each class one thread; the two sides are different processes.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.hpp"
#include "worker/control.hpp"

namespace pp::worker {

inline constexpr std::size_t ring_size = 256 * 1024;
inline constexpr std::size_t ring_header_size = 32;
inline constexpr std::size_t largest_in_ring = 16 * 1024;  ///< payloads above go through an arena
inline constexpr std::size_t arena_places = 64;
inline constexpr std::uint64_t result_arena_size = 256ULL << 20U;
inline constexpr std::uint64_t node_half_magic = 0x0031'5342'4F4A'5050ULL;
inline constexpr std::uint64_t worker_half_magic = 0x0031'544C'5352'5050ULL;

struct ring_frame {
  enum class place : std::uint8_t { here = 0, arena = 1, socket = 2, skip = 3 };
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  std::uint16_t attempt = 0;
  place where = place::here;
  std::uint8_t slot = 0;
  std::uint64_t zero = 0;
};
static_assert(sizeof(ring_frame) == ring_header_size);

struct node_half {
  std::uint64_t magic;
  std::uint32_t spin_us;
  std::uint32_t zero;
  alignas(64) std::atomic<std::uint64_t> job_tail;
  alignas(64) std::atomic<std::uint64_t> result_head;
  alignas(64) std::atomic<std::uint32_t> epoch;
  alignas(64) std::atomic<std::uint32_t> returned[arena_places];
  alignas(4096) std::uint8_t jobs[ring_size];
};
struct worker_half {
  std::uint64_t magic;
  alignas(64) std::atomic<std::uint64_t> job_head;
  alignas(64) std::atomic<std::uint64_t> result_tail;
  alignas(64) std::atomic<std::uint32_t> sleeps;
  alignas(4096) std::uint8_t results[ring_size];
  std::uint8_t* arena() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};
static_assert(offsetof(node_half, job_tail) == 64 && offsetof(node_half, result_head) == 128);
static_assert(offsetof(node_half, epoch) == 192 && offsetof(node_half, returned) == 256);
static_assert(offsetof(node_half, jobs) == 4096);
static_assert(offsetof(worker_half, job_head) == 64 && offsetof(worker_half, result_tail) == 128);
static_assert(offsetof(worker_half, sleeps) == 192 && offsetof(worker_half, results) == 4096);
static_assert(sizeof(worker_half) == 4096 + ring_size);

/// The writing end of one ring.
class ring_writer {
 public:
  /// `tail` is ours, `head` the other side's.
  ring_writer(std::uint8_t* ring, std::atomic<std::uint64_t>& tail, const std::atomic<std::uint64_t>& head)
      : ring_(ring), tail_(tail), head_(head) {}

  /// True if a payload of that length may stand in the ring itself now.
  bool takes(std::size_t length);
  /// Publishes a frame; for `here` with its payload. False if the other side does not pass what it was given, which a
  /// side that keeps to the rules always does.
  bool put(const ring_frame& frame, std::initializer_list<byte_view> payload);
  /// Of the other side's head: false if it makes no sense.
  bool is_sane();

 private:
  std::size_t free();
  std::uint8_t* at(std::uint64_t position) { return ring_ + position % ring_size; }

  std::uint8_t* ring_;
  std::atomic<std::uint64_t>& tail_;
  const std::atomic<std::uint64_t>& head_;
  std::uint64_t written_ = 0;  ///< what tail_ says, but ours alone
  std::uint64_t passed_ = 0;   ///< the last head that made sense
};

/// The reading end of one ring.
class ring_reader {
 public:
  enum class status : std::uint8_t { empty, frame, broken };

  /// `head` is ours, `tail` the other side's.
  ring_reader(const std::uint8_t* ring, std::atomic<std::uint64_t>& head, const std::atomic<std::uint64_t>& tail)
      : ring_(ring), head_(head), tail_(tail) {}

  /// Sequentially consistent: the reader asks after it has raised its sleep flag.
  bool is_empty() const { return tail_.load(std::memory_order_seq_cst) == read_; }
  /// The next frame; it stays the next one until pass(). `payload` lies in the ring, empty unless the frame is `here`.
  status next(ring_frame& frame, byte_view& payload);
  /// Gives the memory of the last frame back.
  void pass();

 private:
  status skip_to_frame(ring_frame& frame, std::uint64_t& available);

  const std::uint8_t* ring_;
  std::atomic<std::uint64_t>& head_;
  const std::atomic<std::uint64_t>& tail_;
  std::uint64_t read_ = 0;
  std::size_t current_ = 0;  ///< bytes of the frame that next() gave
};

}  // namespace pp::worker
