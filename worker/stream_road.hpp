// The road to a worker over a stream socket pair, with the frames of wire/frame.hpp, and the control page beside it.
//
// Not net::channel, because there the frames of a large message alternate with other messages, while a worker counts
// whole SUBMITs in the order they were sent: here one message ends before the next begins. The frames' job field is
// sequence + 1. Outbound: small messages are joined in one buffer, large payloads are written from where they lie;
// one system call for all, tried at once by flush() and, when the socket is full, by a waiting writer. Inbound: up to
// 256 KiB a read.
// Threads: the I/O thread only. Must not know: whose jobs these are.
#pragma once

#include <deque>

#include "code/descriptor.hpp"
#include "wire/frame.hpp"
#include "worker/road.hpp"

namespace pp::worker {

class stream_road final : public road {
 public:
  /// Makes the socket pair and the control page. Throws system_error in words.
  explicit stream_road(net::executor ex);

  worker_descriptors worker_ends() const override { return {.pipe = worker_end_.get(), .control = control_.fd()}; }
  void release_worker_end() override { worker_end_.reset(); }

  net::awaitable<void> run(road_events& to) override;
  void drain(road_events& to) override;
  void finish() override;
  void close() noexcept override;

  void send_program(byte_view manifest) override;
  void send_job(std::uint64_t sequence, std::uint16_t attempt, const job_bytes& job) override;
  void flush() override;

  /// For a road that sends the job in another way: it may be taken back, and is not begun, from here on.
  void set_queued(std::uint64_t sequence) { control_.set(sequence, claim::queued); }
  bool take_back(std::uint64_t sequence) override;
  claim fate_of(std::uint64_t sequence) const override { return control_.state_of(sequence); }
  control_page& page() override { return control_.page(); }

 private:
  /// Bytes on their way: joined small frames of our own, or a part of a large payload.
  struct segment {
    bytes own;
    block shared;
    byte_view part;  ///< of `shared`; unused otherwise
    byte_view view() const { return shared ? part : byte_view(own); }
  };
  enum class outcome { more, blocked, ended };

  net::awaitable<void> read_results(road_events& to);
  net::awaitable<void> write_waiting();
  outcome read_once(road_events& to);
  outcome write_once();
  void parse(road_events& to);
  void deliver(const wire::frame_header& head, mutable_byte_view payload, road_events& to);
  void assemble(const wire::frame_header& head, byte_view payload, road_events& to);
  void deliver_result(const wire::frame_header& head, handed_bytes payload, road_events& to);
  void append_copied(byte_view all);
  void append_frame_header(const wire::frame_header& head);
  std::size_t append_front(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view all,
                           std::size_t at);
  void note_written(std::size_t count);
  void break_off(const char* reason) { problem_ = problem_.empty() ? reason : problem_; }
  bool is_over() const { return closed_ || !problem_.empty(); }

  net::pipe_socket socket_;
  code::descriptor worker_end_;
  control_mapping control_;
  bool closed_ = false;
  std::string problem_;  ///< what the worker did wrong

  // Outbound.
  std::deque<segment> queue_;
  std::size_t written_of_first_ = 0;
  std::size_t queued_bytes_ = 0;
  bool blocked_ = false;  ///< the socket was full: only the waiting writer writes
  bool finishing_ = false;
  net::steady_timer writer_wake_;  ///< never fires; cancelled when blocked_ becomes true

  // Inbound.
  bytes buffer_;
  std::size_t filled_ = 0;
  block assembling_;  ///< a RESULT of several frames; empty between
  std::size_t assembled_ = 0;
  std::uint64_t assembling_job_ = 0;
};

}  // namespace pp::worker
