// The worker's end of the shared-memory road (ring.hpp has the layout), beside the socket pair that brings the program
// and what finds no room.
//
// Promises: a result is published in memory that outlives the worker the moment it is written. The worker looks for
// its next job for as long as the node says before it sleeps; no system call while jobs are there.
// Threads: one. Must not know: what the messages mean.
#pragma once

#include <array>
#include <optional>

#include "base/spin.hpp"
#include "worker/arena.hpp"
#include "worker/ring.hpp"
#include "worker/shared_memory.hpp"
#include "worker/value_road.hpp"
#include "worker/worker_pipe.hpp"

namespace pp::worker {

/// What a worker is given besides its socket; `arguments` may be empty.
struct ring_descriptors {
  code::descriptor node_half, worker_half, wake, arguments;
};

class worker_ring final : public worker_road {
 public:
  /// Throws std::system_error if the descriptors are not what they should be.
  /// `values` may be null; what comes there is taken also while there are no jobs.
  worker_ring(worker_pipe& pipe, ring_descriptors given, value_receiver* values = nullptr);

  bool read(pipe_message& message) override;
  bool write(const wire::frame_header& head, std::initializer_list<byte_view> parts) override;

 private:
  bool wait_for_job();
  bool sleep_until_job();
  bool fetch(const ring_frame& frame, byte_view here, pipe_message& message);
  std::optional<std::size_t> take_place(std::size_t length);
  void reclaim_places();
  void wake_node();

  worker_pipe& pipe_;
  ring_descriptors fds_;
  value_receiver* values_;
  shared_memory node_memory_, worker_memory_, arguments_;
  node_half& node_;
  worker_half& worker_;
  ring_reader jobs_;
  ring_writer results_;
  spin_budget budget_;
  bool has_program_ = false;
  bool is_holding_ = false;       ///< the last frame still lies in the ring
  std::uint32_t last_woken_ = 0;  ///< the node's epoch in which we woke it
  struct place {
    bool is_taken = false;
    std::uint32_t uses = 0;
    std::uint64_t offset = 0;
  };
  std::array<place, arena_places> places_;
  arena arena_{result_arena_size};
};

}  // namespace pp::worker
