// Which job goes to which node and which is tried again: events in, actions out.
//
// Promises (docs/guarantees in README; tests/unit/ppclient_scheduler_test.cpp):
//   - every submitted job is queued, in flight on one node, or finished; it finishes once;
//   - never more jobs in flight on a node than it granted credit for;
//   - a result that is not of the present attempt on the node that has it is stale and changes nothing;
//   - jobs of a lost node go to the front of the queue; that does not count against them; the death of a worker does, and the
//     next attempt goes to another node if there is one;
//   - new jobs go to the fit node with the smallest load (jobs in flight per slot);
//   - when nothing is queued and a node idles while another holds more than it can run at once, some of those are recalled.
// Pure: no clock, no sockets; jobs are named by the slot of their record. A job's step costs the logarithm of the nodes at most;
// where nodes cannot run an image, also a look at each of those that has less to do than the one it finds.
// Must not know: bytes, connections, futures.
#pragma once

#include <cstdint>
#include <vector>

#include "ppclient/node_heap.hpp"

namespace pp::ppclient {

class scheduler {
 public:
  using job_slot = std::uint32_t;
  using node_index = std::uint32_t;
  using image_index = std::uint32_t;
  static constexpr std::uint32_t none = UINT32_MAX;

  struct action {
    enum class kind : std::uint8_t { send, recall };
    kind what = kind::send;
    std::uint16_t attempt = 0;
    job_slot job = 0;
    node_index node = 0;
  };
  /// What to do with a result.
  enum class verdict : std::uint8_t {
    deliver,  ///< the job is finished
    again,    ///< it went back to the queue
    stale,    ///< not the present attempt: drop it
  };
  enum class outcome : std::uint8_t { done, crashed, not_started };

  struct counters {
    std::uint64_t submitted = 0, finished = 0, rescheduled = 0, retried = 0, stale = 0, recalled = 0;
  };

  /// `attempts`: how often a job may be started whose worker dies.
  explicit scheduler(unsigned attempts) : attempts_(attempts) {}

  // --- nodes
  /// A node that can take jobs as soon as it grants credit. Indexes are never used again.
  node_index on_node_ready(unsigned slots);
  void on_credit(node_index node, std::int32_t change);
  void set_slots(node_index node, unsigned slots);
  /// It takes nothing new any more and will be lost soon: no reason to wait for it.
  void on_node_leaving(node_index node);
  /// The node cannot run the image for now; forget_unfit() makes it a candidate again.
  void forget_unfit(node_index node) { nodes_[node].unfit.clear(); }
  /// What was recalled from it and has not come back has begun there: it no longer counts as on its way back.
  void settle_recalls(node_index node);
  /// Nothing more is sent to it; what it has stays there.
  void set_paused(node_index node, bool paused);
  /// Its connection is gone: all its jobs are queued again. The index is dead from here on.
  void on_node_lost(node_index node);
  /// The node cannot run this image: its jobs of it are queued again and none is sent there any more.
  void on_unfit(node_index node, image_index image);

  // --- jobs
  void on_submit(job_slot job, image_index image);
  /// A RESULT of `job` came from `node` with `attempt`, returning `credit`.
  verdict on_result(job_slot job, node_index node, std::uint16_t attempt, outcome what, unsigned credit);
  /// Takes a queued job out (to fail it). Requires: is_queued(job).
  void withdraw(job_slot job);

  /// Assigns queued jobs to nodes, and recalls where that helps; appends at most `limit` actions. True if `limit` stopped it.
  bool decide(std::vector<action>& out, std::size_t limit);

  // --- questions
  bool is_queued(job_slot job) const { return job < jobs_.size() && jobs_[job].state == job_state::queued; }
  bool is_in_flight(job_slot job) const { return job < jobs_.size() && jobs_[job].state == job_state::in_flight; }
  unsigned crashes(job_slot job) const { return jobs_[job].crashes; }
  std::uint16_t attempt(job_slot job) const { return jobs_[job].attempt; }
  image_index image_of(job_slot job) const { return jobs_[job].image; }
  std::size_t queued() const { return queued_; }
  std::size_t in_flight() const { return in_flight_; }
  std::size_t in_flight(node_index node) const { return nodes_[node].in_flight; }
  /// True if some node lives that may run this image, whether or not it has credit now.
  bool has_node_for(image_index image) const;
  /// Every queued job of an image, oldest first.
  std::vector<job_slot> queued_jobs(image_index image) const;
  /// Of the nodes that live and are not leaving.
  std::size_t slots() const;
  std::size_t images() const { return queues_.size(); }
  const counters& numbers() const { return counters_; }

 private:
  enum class job_state : std::uint8_t { finished, queued, in_flight };
  // 28 bytes beside each record: the lists are intrusive so that no job costs an allocation.
  struct job_entry {
    std::uint32_t next = none, previous = none;
    node_index node = none;
    node_index avoid = none;  ///< the node on which its worker died last
    image_index image = 0;
    std::uint16_t attempt = 0;
    std::uint16_t crashes = 0;
    job_state state = job_state::finished;
    bool is_recalled = false;     ///< in this attempt: asked back once, never again
    bool is_coming_back = false;  ///< counted in recalls
  };
  struct list {
    std::uint32_t first = none, last = none;
  };
  struct node_entry {
    list jobs;  ///< in flight, oldest first
    std::int64_t credit = 0;
    std::uint32_t in_flight = 0;
    std::uint32_t slots = 0;
    std::uint32_t recalls = 0;
    std::uint32_t idle = 0;      ///< its share of idle_
    std::uint32_t place = none;  ///< in overfull_
    bool alive = true, paused = false, leaving = false;
    std::vector<image_index> unfit;
  };

  bool may_take(const node_entry& n) const { return n.alive && !n.paused && !n.leaving && n.slots > 0; }
  bool is_fit(const node_entry& n, image_index image) const;
  bool has_other_node(image_index image, node_index avoid) const;
  node_index least_loaded(image_index image, node_index avoid) const;
  void refresh(node_index node);
  void set_overfull(node_index node, bool is_overfull);
  bool may_run_idle(const job_entry& j) const;
  void send(job_slot id, node_index to, std::vector<action>& out);
  void queue_front(job_slot id);
  void leave_node(job_slot id);
  void requeue_all(node_index node, bool only_image, image_index image);
  void recall_for_idle(std::vector<action>& out, std::size_t limit);
  std::uint32_t recall_from(node_index from, std::uint32_t wanted, std::vector<action>& out);
  void push_back(list& l, job_slot id);
  void push_front(list& l, job_slot id);
  void remove(list& l, job_slot id);

  unsigned attempts_;
  std::vector<job_entry> jobs_;  ///< by slot of the record
  std::vector<node_entry> nodes_;
  std::vector<node_index> alive_;
  // What decide() asks about all nodes, kept by refresh() at each change of one.
  node_heap open_;                    ///< those that have credit left
  std::uint64_t idle_ = 0;            ///< slots without a job there
  std::vector<node_index> overfull_;  ///< those that hold more than they run and were asked back for
  std::vector<list> queues_;          ///< by image
  std::size_t queued_ = 0, in_flight_ = 0;
  std::uint32_t recalls_ = 0;
  counters counters_;
};

}  // namespace pp::ppclient
