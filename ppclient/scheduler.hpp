// Which job goes to which node and which is tried again: events in, actions out.
//
// Promises (docs/guarantees in README; tests/unit/ppclient_scheduler_test.cpp):
//   - every submitted job is queued, in flight on one node, or finished; it finishes once;
//   - never more jobs in flight on a node than it granted credit for;
//   - a result that is not of the present attempt on the node that has it is stale and changes nothing;
//   - jobs of a lost node go to the front of the queue; that does not count against them; the death of a worker does, and the
//     next attempt goes to another node if there is one; a job that may run at most once is not sent again;
//   - new jobs go to the fit node with the smallest load (jobs in flight per slot), those of a higher priority first; those that
//     can go nowhere now hold up no others, and classes of the same priority take turns;
//   - a node's place is taken until the node has answered, also if nobody waits for the answer any more (a ghost);
//   - a job that may be run twice is also sent elsewhere while its node is silent: at two places at most, the first result counts;
//   - such a job is also started a second time, once, where a slot idles when nothing is queued and its caller says it is late;
//   - what waits at a node beyond its slots goes by how fast the node is; an idle slot comes before every queue;
//   - a node in quarantine takes only what no other node could take, one on trial also one job at a time;
//   - jobs that need resources are not sent beyond what their node declares, and hold up no others;
//   - a worker that is checked out is no slot; jobs for it go to its node alone, in their order, and need no credit;
//   - when nothing is queued and a node idles while another holds more than it can run at once, some of those are recalled.
// Pure: no clock, no sockets; jobs are named by the slot of their record. A job's step costs the logarithm of the nodes at most;
// where nodes cannot run an image, also a look at each of those that has less to do than the one it finds.
// Must not know: bytes, connections, futures.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

#include "ppclient/node_heap.hpp"
#include "worker/resources.hpp"

namespace pp::ppclient {

class scheduler {
 public:
  using job_slot = std::uint32_t;
  using node_index = std::uint32_t;
  using image_index = std::uint32_t;
  using class_index = std::uint32_t;
  using constraint_index = std::uint32_t;
  static constexpr std::uint32_t none = UINT32_MAX;

  struct action {
    enum class kind : std::uint8_t { send, recall, cancel };
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
  /// What a node is trusted with.
  enum class standing : std::uint8_t {
    good,
    on_trial,    ///< one job at a time
    quarantined  ///< only what no other node could take
  };

  /// Jobs that the same nodes can run and that are equally urgent wait in one queue.
  struct job_kind {
    image_index image = 0;
    int priority = 0;
    constraint_index constraint = none;
    bool opens = false;        ///< it asks for a check-out: one of them may wait where all workers are checked out
    bool has_crashed = false;  ///< set by the scheduler: these may wait for other nodes and must not hold up the rest
    auto operator<=>(const job_kind&) const = default;
  };
  /// What few jobs differ in.
  struct job_rules {
    unsigned attempts = 0;  ///< 0 = as the scheduler was told
    bool at_most_once = false;
    bool idempotent = false;
  };

  struct counters {
    std::uint64_t submitted = 0, finished = 0, rescheduled = 0, retried = 0, stale = 0, recalled = 0, copied = 0;
  };

  /// `attempts`: how often a job may be started whose worker dies.
  explicit scheduler(unsigned attempts) : attempts_(attempts) {}

  // --- where jobs may run
  /// Something that jobs ask of nodes. Nodes do not fulfil it until they are said to.
  constraint_index add_constraint();
  void set_fulfils(node_index node, constraint_index constraint);
  /// Jobs with this constraint hold so much of their node's resources while they are there.
  void set_needs(constraint_index constraint, const std::vector<wire::resource>& needs);
  /// What the node declares. Once, before it fulfils a constraint that needs some.
  void set_resources(node_index node, const std::vector<wire::resource>& declared);

  // --- nodes
  /// A node that can take jobs as soon as it grants credit. Indexes are never used again.
  node_index on_node_ready(unsigned slots);
  void on_credit(node_index node, std::int32_t change);
  void set_slots(node_index node, unsigned slots);
  /// In sixteenths of the usual (node_load::usual_speed). Requires: > 0.
  void set_speed(node_index node, unsigned sixteenths);
  /// The same for what its user wishes it to have.
  void set_weight(node_index node, unsigned sixteenths);
  void set_standing(node_index node, standing what);
  /// It takes nothing new any more and will be lost soon: no reason to wait for it.
  void on_node_leaving(node_index node);
  /// The node cannot run the image for now; forget_unfit() makes it a candidate again.
  void forget_unfit(node_index node) { nodes_[node].unfit.clear(); }
  /// What was recalled from it and has not come back has begun there: it no longer counts as on its way back.
  void settle_recalls(node_index node);
  /// Nothing more is sent to it; what it has stays there. If it is `silent`, copies of what may run twice go elsewhere.
  void set_paused(node_index node, bool paused, bool silent = false);
  /// Its connection is gone: its jobs are queued again, or if they run elsewhere too, stay there. Those that may run at most
  /// once are in flight no more and appended to `unknown`. The index is dead from here on.
  void on_node_lost(node_index node, std::vector<job_slot>& unknown);
  /// The node cannot run this image: none is sent there any more. It answers for what it has.
  void on_unfit(node_index node, image_index image);
  /// Takes that back for this one image.
  void on_fit(node_index node, image_index image) { std::erase(nodes_[node].unfit, image); }

  // --- check-outs (scheduler_leases.cpp)
  using lease_index = std::uint32_t;
  /// What a result's credit is when its job needed none (wire::result_head::no_credit).
  static constexpr unsigned no_credit = 3;
  /// So many of the node's workers are checked out, by whomever.
  void set_lent(node_index node, unsigned workers);
  /// A worker of the node is this client's.
  lease_index on_lease_open(node_index node);
  /// Nothing is sent there any more. What was queued is appended to `queued` and finished; indexes are used again when
  /// the last job that was sent is back.
  void on_lease_over(lease_index lease, std::vector<job_slot>& queued);
  /// A job for that worker. Requires: the lease is not over.
  void on_submit_inside(job_slot job, lease_index lease);
  /// False if it has nothing to do, so that it can be given back.
  bool has_jobs(lease_index lease) const;

  // --- jobs
  void on_submit(job_slot job, image_index image) { on_submit(job, {image, 0, none}, {}); }
  void on_submit(job_slot job, const job_kind& kind, const job_rules& rules);
  /// A job that is submitted later: until then it is counted, and nothing else.
  void on_hold(job_slot job);
  /// It will not be submitted. Requires: is_held(job).
  void drop_held(job_slot job);
  /// A RESULT of `job` came from `node` with `attempt` (0: a node that is unfit gives it back), returning `credit`.
  verdict on_result(job_slot job, node_index node, std::uint16_t attempt, outcome what, unsigned credit);
  /// The same where nobody knows the job any more.
  void on_stray_result(node_index node, unsigned credit);
  /// Takes a queued job out (to fail it). Requires: is_queued(job).
  void withdraw(job_slot job);
  /// Takes a job out wherever it is; the nodes that have it are told (take_cancels). Requires: it is queued or in flight.
  void cancel(job_slot job);
  /// What nodes are to be told about jobs that are finished: appends to `out`. To be called before their slots are used again.
  void take_cancels(std::vector<action>& out);
  bool has_cancels() const { return !cancels_.empty(); }

  /// True if jobs are in flight that may run twice and run once.
  bool has_copyable() const { return copyable_ > 0; }
  /// True if one of them could run at another place too, should it be late: nothing is queued, slots idle.
  bool may_copy() const { return queued_ == 0 && idle_ > 0 && copyable_ > 0; }
  /// Starts again, elsewhere, those that are late by `lateness` (0 = not) and may run twice, the latest first: of the oldest
  /// of each node, never those that wait there, each job once. Appends at most `limit` actions.
  void copy_late(const std::function<std::uint64_t(job_slot)>& lateness, std::vector<action>& out, std::size_t limit);

  /// Assigns queued jobs to nodes, and recalls where that helps; appends at most `limit` actions. True if `limit` stopped it.
  bool decide(std::vector<action>& out, std::size_t limit);

  // --- questions
  bool is_queued(job_slot job) const { return job < jobs_.size() && jobs_[job].state == job_state::queued; }
  bool is_held(job_slot job) const { return job < jobs_.size() && jobs_[job].state == job_state::held; }
  bool is_in_flight(job_slot job) const { return job < jobs_.size() && jobs_[job].state == job_state::in_flight; }
  unsigned crashes(job_slot job) const { return jobs_[job].crashes; }
  std::uint16_t attempt(job_slot job) const { return jobs_[job].attempt; }
  /// Nodes on which its workers died so far, the last one last.
  std::vector<node_index> crashed_on(job_slot job) const;
  /// True if all of its node's slots were taken when it was sent there.
  bool had_to_wait(job_slot job) const { return jobs_[job].had_to_wait; }
  /// True if it was started at a second place, whether or not it still is there.
  bool was_copied(job_slot job) const { return jobs_[job].was_copied; }
  class_index class_of(job_slot job) const { return jobs_[job].kind; }
  image_index image_of(job_slot job) const { return classes_[jobs_[job].kind].what.image; }
  node_index node_of(job_slot job) const { return jobs_[job].node; }
  std::size_t queued() const { return queued_ + queued_inside_; }
  std::size_t held() const { return held_; }
  std::size_t in_flight() const { return in_flight_; }
  std::size_t in_flight(node_index node) const { return nodes_[node].in_flight + nodes_[node].inside; }
  /// Places taken by what nobody waits for.
  std::size_t ghosts(node_index node) const { return nodes_[node].ghosts; }
  /// What is in flight on a node, oldest first.
  std::vector<job_slot> jobs_on(node_index node) const { return members(nodes_[node].jobs); }
  /// True if some node lives that may run these jobs, whether or not it has credit now.
  bool has_node_for(class_index kind) const;
  /// Every queued job of a class, oldest first.
  std::vector<job_slot> queued_jobs(class_index kind) const { return members(classes_[kind].queue); }
  bool has_queued(class_index kind) const { return classes_[kind].queue.first != none; }
  const job_kind& kind_of(class_index kind) const { return classes_[kind].what; }
  /// Of the nodes that live and are not leaving.
  std::size_t slots() const;
  std::size_t slots(node_index node) const { return nodes_[node].slots; }
  std::size_t classes() const { return classes_.size(); }
  const counters& numbers() const { return counters_; }

 private:
  enum class job_state : std::uint8_t { finished, queued, in_flight, held };
  // 24 bytes beside each record: the lists are intrusive so that no job costs an allocation.
  struct job_entry {
    std::uint32_t next = none, previous = none;
    node_index node = none;
    class_index kind = 0;
    std::uint16_t attempt = 0;
    std::uint16_t crashes = 0;
    std::uint16_t most_starts = 0;
    job_state state : 2 = job_state::finished;
    bool is_recalled : 1 = false;     ///< in this attempt: asked back once, never again
    bool is_coming_back : 1 = false;  ///< counted in recalls
    bool at_most_once : 1 = false;
    bool idempotent : 1 = false;
    bool has_other : 1 = false;    ///< it is at another place too, see others_
    bool has_crashed : 1 = false;  ///< see crashed_on_
    bool was_copied : 1 = false;   ///< being late is no reason to do that again
    bool had_to_wait : 1 = false;  ///< in this attempt
    bool is_inside : 1 = false;    ///< of a check-out, whose index `kind` is then

    bool is_copyable() const { return idempotent && !was_copied; }
  };
  static_assert(sizeof(job_entry) == 24);
  /// The first place of a job that was sent elsewhere because its node was silent or it was late. It is a ghost there.
  struct other_place {
    node_index node = none;
    std::uint16_t attempt = 0;
  };
  struct list {
    std::uint32_t first = none, last = none;
  };
  struct node_entry {
    list jobs;  ///< in flight, oldest first
    std::int64_t credit = 0;
    std::uint32_t in_flight = 0;
    std::uint32_t ghosts = 0;
    std::uint32_t inside = 0;     ///< jobs in flight for checked-out workers; no part of in_flight
    std::uint32_t slots = 0;      ///< for jobs that are not: without the workers that are checked out
    std::uint32_t all_slots = 0;  ///< with them
    std::uint32_t lent = 0;
    std::uint32_t recalls = 0;
    std::uint32_t idle = 0;      ///< its share of idle_
    std::uint32_t place = none;  ///< in overfull_
    std::uint32_t speed = node_load::usual_speed, weight = node_load::usual_weight;
    bool alive = true, paused = false, leaving = false, silent = false;
    standing trust = standing::good;
    worker::resource_stock stock;
    std::vector<image_index> unfit;
    std::uint32_t load() const { return in_flight + ghosts; }
    node_load weighed() const { return {load(), slots, speed, weight}; }
    bool is_trusted() const { return trust == standing::good || (trust == standing::on_trial && load() == 0); }
  };
  struct job_class {
    job_kind what;
    list queue;
    bool is_active = false;  ///< stands in active_
  };
  struct lease_entry {
    list queue;
    node_index node = none;
    std::uint32_t in_flight = 0;
    bool is_over = false;
  };
  struct constraint {
    std::vector<bool> fulfilled;    ///< by node
    std::vector<node_index> nodes;  ///< those that live
    std::vector<wire::resource> needs;
  };

  bool may_take(const node_entry& n) const { return n.alive && !n.paused && !n.leaving && n.slots > 0; }
  bool has_room(const node_entry& n) const { return may_take(n) && n.load() < n.credit; }
  bool is_fit(node_index node, const job_kind& what) const;
  bool is_wanted(node_index node, const job_kind& what) const;
  bool has_resources(node_index node, const job_kind& what) const {
    return what.constraint == none || nodes_[node].stock.has(constraints_[what.constraint].needs);
  }
  const std::vector<wire::resource>* needs_of(const job_entry& j) const;
  bool has_other_node(const job_kind& what, node_index avoid) const;
  node_index least_loaded(const job_kind& what, node_index avoid) const;
  node_index best_after_crash(job_slot id, const job_kind& what) const;
  node_index first_open(const job_kind& what, node_index but, bool only_idle) const;
  node_index first_open_of(const constraint& c, const job_kind& what, node_index but, bool only_idle) const;
  class_index class_for(const job_kind& what);
  void activate(class_index kind);
  std::size_t serve(std::size_t first, std::vector<action>& out, std::size_t end);
  bool serve_class(class_index kind, std::vector<action>& out, std::size_t end, bool only_one);
  bool is_here(const job_entry& j, node_index node, std::uint16_t attempt, outcome what) const;
  verdict on_result_of_other(job_slot id, node_index from, std::uint16_t attempt, outcome what);
  verdict give_up_place(job_slot id);
  void promote_other(job_slot id);
  void forget_other(job_slot id);
  void leave_ghost(job_slot id);
  void copy_from_silent(std::vector<action>& out, std::size_t end);
  void copy_from(node_index silent, std::vector<action>& out, std::size_t end);
  void copy_to(job_slot id, node_index to, std::vector<action>& out);
  void place(job_slot id, node_index to, std::uint16_t attempt);
  std::vector<job_slot> members(const list& l) const;
  void refresh(node_index node);
  void set_overfull(node_index node, bool is_overfull);
  bool may_run_idle(const job_entry& j) const;
  void send(job_slot id, node_index to, std::vector<action>& out);
  void queue_front(job_slot id);
  void leave_node(job_slot id);
  void requeue_all(node_index node, std::vector<job_slot>& unknown);
  void recall_for_idle(std::vector<action>& out, std::size_t limit);
  std::uint32_t recall_from(node_index from, std::uint32_t wanted, std::vector<action>& out);
  // Check-outs.
  void serve_leases(std::vector<action>& out, std::size_t end);
  void serve_lease(lease_entry& l, std::vector<action>& out, std::size_t end);
  void wait_at_full_nodes(std::vector<action>& out, std::size_t end);
  node_index full_node(const job_kind& what) const;
  void leave_inside(job_slot id);
  void withdraw_inside(job_slot id);
  verdict on_result_inside(job_slot id, outcome what);
  void free_lease(lease_index lease);
  void push_back(list& l, job_slot id);
  void push_front(list& l, job_slot id);
  void remove(list& l, job_slot id);

  unsigned attempts_;
  std::vector<job_entry> jobs_;                                       ///< by slot of the record
  std::unordered_map<job_slot, std::vector<node_index>> crashed_on_;  ///< where its workers died, the last one last
  std::vector<node_entry> nodes_;
  std::vector<node_index> alive_;
  // What decide() asks about all nodes, kept by refresh() at each change of one.
  node_heap open_;                    ///< those that have credit left
  std::uint64_t idle_ = 0;            ///< slots without a job there
  std::vector<node_index> overfull_;  ///< those that hold more than they run and were asked back for
  std::vector<node_index> silent_;    ///< those whose jobs may be copied
  std::vector<job_class> classes_;
  std::map<job_kind, class_index> class_of_;
  std::vector<class_index> plain_;  ///< by image: the class of jobs that ask for nothing
  std::vector<class_index>
      active_;  ///< classes with queued jobs (or lately emptied), the most urgent first, then by number
  std::vector<class_index> turn_;   ///< of serve(), kept for its memory
  class_index served_last_ = none;  ///< of those that take turns
  std::vector<constraint> constraints_;
  std::unordered_map<job_slot, other_place> others_;
  std::vector<action> cancels_;
  std::vector<lease_entry> leases_;
  std::vector<lease_index> free_leases_;
  std::size_t queued_inside_ = 0;  ///< for checked-out workers; no part of queued_
  std::size_t queued_ = 0, in_flight_ = 0, held_ = 0;
  std::size_t copyable_ = 0;  ///< of those in flight
  std::uint32_t recalls_ = 0;
  counters counters_;
};

}  // namespace pp::ppclient
