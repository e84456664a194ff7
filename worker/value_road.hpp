// The road by which a worker gets the values that its jobs share: a socket of packets, from the node to the worker only.
//
// Layout of a packet (native byte order; both sides are on one machine), 48 bytes: u64 what (1: this value is yours, its sealed
// memory file comes with the packet; 2: nobody needs it any more) · u64 size · u8[32] SHA-256.
//
// A value is given before the first job that names it is sent, and once to each worker.
// Promises: the node never waits for a worker: what finds no room is kept and sent later. The worker waits for a value at most
// for wait_limit. Must not know: what the bytes mean, jobs.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.hpp"
#include "code/descriptor.hpp"
#include "code/shared_content.hpp"
#include "wire/content.hpp"
#include "worker/shared_values.hpp"

namespace pp::worker {

/// What a job names; null for most jobs.
using value_list = std::shared_ptr<const std::vector<code::shared_pointer>>;

struct value_packet {
  static constexpr std::uint64_t give = 1, forget = 2;
  std::uint64_t what = 0;
  std::uint64_t size = 0;
  wire::content_id content{};
};

/// The node's end. Threads: the I/O thread only.
class value_sender {
 public:
  /// Throws std::system_error.
  value_sender();

  /// Borrowed for the spawn.
  int worker_end() const { return theirs_.get(); }
  void release_worker_end() { theirs_.reset(); }

  /// Those that this worker does not have yet.
  void give(const std::vector<code::shared_pointer>& values);
  /// Tells the worker what nobody else needs any more. True if it still has others.
  bool forget_unused();
  /// Sends what was kept; true if some is left.
  bool flush();

 private:
  struct waiting {
    value_packet packet;
    code::shared_pointer value;  ///< null of what is to be forgotten
  };
  enum class sent : std::uint8_t { all, later, never };
  sent send(const waiting& what) const;

  code::descriptor ours_, theirs_;
  std::map<wire::content_id, std::weak_ptr<const code::shared_content>> given_;
  std::deque<waiting> waiting_;
};

/// The worker's end. Threads: any.
class value_receiver {
 public:
  static constexpr duration wait_limit = std::chrono::seconds(10);

  explicit value_receiver(code::descriptor socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  /// Takes what has come; never waits. False once the node has closed the road.
  bool take_all();
  /// The same if it is here; waits for it for a moment. Null if it does not come.
  detail::shared_value_pointer find(const wire::content_id& content);
  bool is_empty() const { return !has_any_.load(std::memory_order_relaxed); }

 private:
  enum class got : std::uint8_t { packet, no_more, end };
  got take_one();
  void add(const value_packet& packet, code::descriptor memory);

  const code::descriptor socket_;
  std::atomic<bool> has_any_{false};
  std::mutex lock_;  ///< guards values_
  std::map<wire::content_id, detail::shared_value_pointer> values_;
};

}  // namespace pp::worker
