// The road to a worker through shared memory (ring.hpp has the layout), with a socket pair beside it for the program,
// for messages that find no room, and for the end of the worker.
//
// While the loop is awake it looks at the result ring without a system call (net/loop); asleep, it is woken by a byte
// on a socket pair, whose every use says by itself that it must not block: a worker cannot change that. Promises:
// as road.hpp; a result that a worker published is told even if the worker is dead.
// Threads: the I/O thread only; blocks of results may be dropped in any. Must not know: whose jobs these are.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "net/loop.hpp"
#include "worker/argument_arena.hpp"
#include "worker/ring.hpp"
#include "worker/stream_road.hpp"

namespace pp::worker {

class ring_road final : public road, private road_events, private net::poller {
 public:
  /// `arguments` may be null. Throws system_error if there is no memory, address space or descriptor for it.
  ring_road(net::executor ex, std::shared_ptr<argument_arena> arguments, duration spin);
  ~ring_road() override;

  worker_descriptors worker_ends() const override;
  void release_worker_end() override;

  net::awaitable<void> run(road_events& to) override;
  void drain(road_events& to) override;
  void finish() override { lane_.finish(); }
  void close() noexcept override;

  void send_program(byte_view manifest) override { lane_.send_program(manifest); }
  void send_job(std::uint64_t sequence, std::uint16_t attempt, const job_bytes& job) override;
  void flush() override;

  bool take_back(std::uint64_t sequence) override;
  claim fate_of(std::uint64_t sequence) const override { return lane_.fate_of(sequence); }
  control_page& page() override { return lane_.page(); }
  /// True if the worker cannot write what the node writes (shared_memory.hpp).
  bool is_sealed() const { return halves_->node.is_sealed(); }

 private:
  /// Both halves; blocks of results keep them mapped.
  struct halves {
    shared_memory node, worker;
    node_half& ours() { return *reinterpret_cast<node_half*>(node.data()); }
    worker_half& theirs() { return *reinterpret_cast<worker_half*>(worker.data()); }
  };
  struct socket_result {
    std::uint64_t sequence;
    std::uint16_t attempt;
    handed_bytes payload;
  };
  enum class step : std::uint8_t { told, none, over };

  // What comes over the socket pair.
  void on_ready() override { to_->on_ready(); }
  void on_unfit(const std::string& reason) override { to_->on_unfit(reason); }
  void on_result(std::uint64_t sequence, std::uint16_t attempt, handed_bytes payload) override;
  void on_batch_end() override { to_->on_batch_end(); }
  void on_broken(const std::string& reason) override;
  // The loop.
  bool poll() override;
  bool arm() override;
  void disarm() override;

  net::awaitable<void> run_lane();
  net::awaitable<void> watch_ring();
  bool read_results();
  bool read_some_results();
  step read_one();
  step tell(const ring_frame& frame, byte_view here);
  step tell_from_arena(const ring_frame& frame);
  bool put_in_arena(ring_frame& frame, const job_bytes& job);
  void break_off(const char* reason);
  bool is_waiting_for_socket() const { return is_waiting_ && !from_socket_; }
  bool is_over() const { return to_ == nullptr || is_closed_ || is_broken_; }

  stream_road lane_;
  std::shared_ptr<halves> halves_;
  std::shared_ptr<argument_arena> arguments_;
  net::pipe_socket wake_;
  net::steady_timer ended_;  ///< never fires; cancelled by close()
  code::descriptor worker_wake_;
  net::poll_list& loop_;
  ring_writer jobs_;
  ring_reader results_;
  std::uint32_t epoch_ = 0;
  road_events* to_ = nullptr;
  bool is_closed_ = false, is_broken_ = false;
  std::string problem_;      ///< what the worker did wrong
  bool is_waiting_ = false;  ///< the next frame's payload comes over the socket pair
  std::optional<socket_result> from_socket_;
  std::array<std::uint8_t, largest_in_ring> copy_;   ///< of the result that is being told
  std::array<block, claim_slots> copied_arguments_;  ///< by sequence: places in the arena that we filled ourselves
};

/// Throws system_error if the kind asked for cannot be made.
std::unique_ptr<road> make_road(net::executor ex, road_kind kind, std::shared_ptr<argument_arena> arguments,
                                duration spin);

}  // namespace pp::worker
