// The page that a node and one worker share: a claim word per job in the worker's pipe, and what the worker printed.
//
// Layout of the memfd (native byte order; both sides are on one machine), mapped by both for its whole life:
//
//   0        u64 magic "PPCTRL1\0"
//   8        u64 kept: bytes of a stream that are kept at each of its ends, written by the node before the start
//   64       512 × u64 claim       slot = sequence % 512; value = sequence << 2 | state
//   4160     stream 0 (stdout): u64 total bytes printed by the running job, 56 bytes zero, 512 KiB head, 512 KiB tail
//            ring; of both the first `kept` bytes are used
//   …        stream 1 (stderr): the same
//   …        crash: what the worker could still say when it crashed, all zero until then (crash_note.hpp)
//
// Claims. The sequence of a job is its number in this worker's pipe, from 0. The node writes `queued` before it sends
// the job; the worker turns queued into claimed by compare-and-swap right before it runs it, and writes `done` right
// after it has written its result to the pipe; the node turns queued into taken_back by compare-and-swap and may then
// give the job to somebody else; the worker skips a job that was taken back, without an answer. So after a crash the
// node knows exactly which job was running and which had not begun. The node has at most 512 sequences between the
// oldest one not known to be passed and the newest.
//
// Streams. The first `kept` bytes of a job's output stand in `head`; byte n ≥ kept stands at tail[(n - kept) % kept], so
// the last `kept` bytes survive. Only the worker writes; the node reads after the worker has died, or a limit ends its
// job, and goes by the number it chose itself, not by the page's.
//
// Trust: user code in the worker can scribble on all of it. That can spoil only jobs of its own image and key: the node
// treats every value as a hint about this one worker, and copies sizes before it checks them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace pp::worker {

inline constexpr std::size_t claim_slots = 512;
inline constexpr std::size_t stream_part = 512 * 1024;  ///< room for what is kept at each end of a stream
inline constexpr std::uint64_t control_magic = 0x00314C5254435050ULL;

enum class claim : std::uint8_t { done = 0, queued = 1, claimed = 2, taken_back = 3 };

struct output_stream_page {
  std::atomic<std::uint64_t> total;
  std::uint8_t zero[56];
  std::uint8_t head[stream_part];
  std::uint8_t tail[stream_part];
};
/// Written by the worker's signal handlers, read when it is dead.
struct crash_page {
  static constexpr std::size_t most_frames = 64;
  std::uint64_t signal;              ///< 0: nothing was noted
  std::uint64_t address;             ///< that was touched, for SIGSEGV and SIGBUS
  std::uint64_t frames;              ///< how many of `stack` are filled
  std::uint64_t stack[most_frames];  ///< code/location, innermost first, 0 = outside of the program
  std::uint64_t has_terminated;      ///< std::terminate was called; then type and what, if there was an exception
  char type[256];
  char what[1024];
};
struct control_page {
  std::uint64_t magic;
  std::uint64_t kept;
  std::uint8_t zero[48];
  std::atomic<std::uint64_t> claims[claim_slots];
  output_stream_page streams[2];
  crash_page crash;
};
static_assert(offsetof(control_page, claims) == 64 && offsetof(control_page, streams) == 64 + 8 * claim_slots);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t claim_word(std::uint64_t sequence, claim state) {
  return sequence << 2U | static_cast<std::uint64_t>(state);
}

/// Unmaps on destruction.
class control_mapping {
 public:
  /// Node side: makes the memfd; fd() is then passed to the worker. Throws std::system_error.
  static control_mapping create();
  /// Worker side: maps what it was given, which stays the caller's to close; fd() is then -1. Throws std::system_error
  /// if it is not a control page.
  static control_mapping open(int fd);
  control_mapping(control_mapping&& other) noexcept;
  control_mapping& operator=(control_mapping&& other) noexcept;
  ~control_mapping();

  control_page& page() { return *page_; }
  const control_page& page() const { return *page_; }
  int fd() const { return fd_; }

  void set(std::uint64_t sequence, claim state);
  /// True if this call moved `sequence` from `from` to `to`.
  bool move(std::uint64_t sequence, claim from, claim to);
  claim state_of(std::uint64_t sequence) const;

 private:
  control_mapping(int fd, control_page* page) : fd_(fd), page_(page) {}
  int fd_ = -1;
  control_page* page_ = nullptr;
};

// How a worker is started (by process.cpp, read by startup.cpp): environment PP_WORKER="<parent pid>", with ":ring"
// behind it if its road is a ring (ring.hpp), and these descriptors.
inline constexpr const char* worker_variable = "PP_WORKER";
inline constexpr int worker_program_fd = 3;  ///< closed by the worker at once
inline constexpr int worker_pipe_fd = 4;     ///< stream socket: frames of wire/frame.hpp
inline constexpr int worker_control_fd = 5;  ///< memfd of this page
inline constexpr int worker_stdout_fd = 6;   ///< read end of the pipe that is the worker's descriptor 1
inline constexpr int worker_stderr_fd = 7;   ///< read end of the pipe that is the worker's descriptor 2
inline constexpr int worker_values_fd = 8;   ///< packet socket: shared values (value_road.hpp)
inline constexpr const char* worker_ring_mark = ":ring";
inline constexpr int worker_node_half_fd = 9;     ///< memfd, written by the node
inline constexpr int worker_worker_half_fd = 10;  ///< memfd, written by the worker
inline constexpr int worker_wake_fd = 11;         ///< stream socket: a byte either way wakes the other side
inline constexpr int worker_arguments_fd = 12;    ///< memfd; may be missing

/// Descriptors of a worker's ends, borrowed; -1 = this road has none.
struct worker_descriptors {
  int pipe = -1, control = -1;
  int node_half = -1, worker_half = -1, wake = -1, arguments = -1;
  bool is_ring() const { return node_half >= 0; }
};

}  // namespace pp::worker
