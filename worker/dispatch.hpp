// Which worker gets which job, fairly between owners: events in, actions out.
//
// Promises: at most `slots` worker processes; every job leaves exactly once, by on_result() or by one action; at most
// claim_slots sequences of a pipe are outstanding; an owner with queued jobs and no worker waits for one job of
// another owner at most, plus the start of a worker (and a time slice of 50 ms when there are more owners than
// slots). Jobs that need resources run as many at once as there are of these, and hold up no others. Jobs taken back or
// not begun when a worker died keep their place at the front of the queue. A job's time runs from the moment it is the
// oldest in its worker's pipe. Events only take notes; settle() decides, once per batch
// of events. Pure: no I/O, no clock; claim words are asked through `claims`. Must not know: processes, bytes, clients.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/dispatch_tables.hpp"
#include "worker/leases.hpp"
#include "worker/resources.hpp"

namespace pp::worker {

/// The claim words of all workers.
class claims {
 public:
  virtual ~claims() = default;
  /// True if the job had not begun; then it never will there.
  virtual bool try_take_back(worker_id worker, std::uint64_t sequence) = 0;
  /// After a worker's death.
  virtual claim fate_of(worker_id worker, std::uint64_t sequence) const = 0;
};

/// What the shell shall do. Jobs named by anything but `send` have left: read job(), then release() them.
struct action {
  enum class kind : std::uint8_t {
    start,            ///< a process for `group` as `worker`; on_worker_exited follows in any case
    send,             ///< `job` to `worker` under `sequence`
    stop,             ///< `worker` is idle: let it end
    kill,             ///< `worker` at once
    end_job,          ///< `worker`, whose job has left: asked first, made to soon after
    not_started,      ///< tell the owner of `job`
    crashed,          ///< tell the owner of `job` how `worker` died
    timed_out,        ///< tell the owner of `job`; it ran on `worker`, or stood there, until now
    cpu_limit,        ///< the same: it used more CPU time than it may
    memory_limit,     ///< the same: it used more memory than it may
    cancelled,        ///< the same; `worker` is nothing if it had not begun
    outcome_unknown,  ///< tell the owner of `job`: it had begun on `worker`, and is not to be repeated
    unfit_job,        ///< `job` goes back with the `unfit` that follows
    unfit,            ///< tell `owner` that `group` cannot run here; reason: unfit_reason(group)
    place_gone,  ///< tell the owner of `job`: the checked-out worker that it was meant for (`worker`, if known) is gone
    lease_over,  ///< tell `owner`: `worker`, checked out as `sequence`, is not its any more
    dropped,     ///< nobody wants `job` any more
    forget_group,  ///< nothing names `group` any more
  };
  kind what;
  worker_id worker = nothing;
  group_id group = nothing;
  job_ref job = nothing;
  owner_id owner = nothing;
  std::uint64_t sequence = 0;
};

class dispatch {
 public:
  struct limits {
    unsigned slots = 1;
    unsigned recycle_after = 0;
    unsigned max_window = 256;
    duration start_limit = std::chrono::seconds(30);
    unsigned restart_limit = 1000;  ///< deaths of one group's workers within restart_window; one more makes it unfit
    duration restart_window = std::chrono::hours(1);
    duration keep_warm = std::chrono::seconds(60);  ///< idle workers of a group without owners live this long
  };
  struct new_job {
    std::uint64_t id = 0;
    std::size_t size = 0;
    std::uint16_t attempt = 1;
    std::int8_t priority = 0;  ///< more goes first within the owner's jobs of one group
    bool at_most_once = false;
    duration timeout{};  ///< of one run, 0 = none
    wire::place_use use = wire::place_use::none;
    std::uint64_t place = 0;
    const std::vector<wire::resource>* needs = nullptr;  ///< must outlive the job here
  };
  /// The job that runs on a worker as far as is known here: the oldest in its pipe.
  struct running_job {
    job_ref job = nothing;
    std::uint64_t sequence = 0;
    time_point since{};
  };
  /// How a worker ended. `reason` is one line; `final` if it stands for every further start too.
  struct ending {
    int signal = 0;
    bool final = false;
    std::string reason;
  };

  dispatch(const limits& l, claims& c) : limits_(l), claims_(c) {}

  owner_id on_owner_added();
  void on_owner_removed(owner_id owner);
  group_id on_group_added();
  /// Requires: 1 <= weight.
  void set_weight(owner_id owner, std::uint32_t weight);
  job_ref on_submit(owner_id owner, group_id group, const new_job& what);
  void on_recall(owner_id owner, std::uint64_t id);
  /// The worker that is checked out under that name is free again as soon as it has done what is there for it.
  void on_check_in(owner_id owner, std::uint64_t place);
  /// The job leaves now, whatever it does, unless its result is on the way already. What stood behind it keeps its place.
  void on_cancel(owner_id owner, std::uint64_t id, time_point now);
  /// The running job used too much; `verdict` is cpu_limit or memory_limit. Nothing if it is not that one any more.
  void on_limit(worker_id worker, std::uint64_t sequence, action::kind verdict, time_point now);
  /// False if that worker had no reason to say so.
  bool on_worker_ready(worker_id worker, time_point now);
  /// The job that is hereby done (it has left), or `nothing` if that sequence was not to be answered now.
  job_ref on_result(worker_id worker, std::uint64_t sequence, duration run_time, time_point now);
  void on_worker_exited(worker_id worker, const ending& how, time_point now);
  void set_slots(unsigned slots) { limits_.slots = slots; }
  /// What jobs may need; before the first job.
  void set_resources(const std::vector<wire::resource>& declared) { stock_ = resource_stock(declared); }
  const resource_stock& stock() const { return stock_; }
  /// From now on everything that has not begun goes back.
  void drain() { draining_ = true; }

  /// Puts all that is to be done now into `out`. Requires: `out` is empty.
  void settle(time_point now, std::vector<action>& out);
  /// When settle() should be called at the latest even if nothing happens.
  time_point next_look() const { return next_look_; }
  /// Gives the record of a job that has left back for further use.
  void release(job_ref job);

  const job_record& job(job_ref j) const { return jobs_[j]; }
  group_id group_of(job_ref j) const { return streams_[jobs_[j].stream].group; }
  const worker_record& worker(worker_id w) const { return workers_[w]; }
  worker_id worker_places() const { return workers_.size(); }
  /// Of a worker that takes jobs or finishes its last.
  running_job running_on(worker_id w) const;
  const group_record& group(group_id g) const { return groups_[g]; }
  /// The one whose program its workers run.
  group_id program_of(group_id g) const { return groups_[g].base == nothing ? g : groups_[g].base; }
  /// Workers that are checked out.
  unsigned lent() const { return static_cast<unsigned>(leases_.lent()); }
  bool is_draining() const { return draining_; }
  const std::string& unfit_reason(group_id g) const { return groups_[g].unfit_reason; }
  duration mean_run_time(owner_id owner) const;
  bool is_known(owner_id owner) const;
  /// A small number for tables of the shell; used again by a later owner.
  static std::size_t slot_of(owner_id owner) { return owner & ((1U << generation_bits) - 1); }
  /// All that were not removed.
  std::vector<owner_id> owners() const;
  unsigned slots() const { return limits_.slots; }
  std::size_t jobs() const { return total_jobs_; }
  /// True while a worker has jobs that are not known to be short.
  bool has_long_jobs() const { return long_jobs_ > 0; }
  unsigned workers() const { return processes_; }
  unsigned running_workers() const;
  /// Workers whose oldest job is of this owner.
  unsigned running_workers(owner_id owner) const;

 private:
  static constexpr unsigned generation_bits = 16;
  // Taking back leaves a hole in the pipe until the worker has passed it, which only a later result shows. Holes may
  // fill this much of the claim slots; what is sent after that stays, so its results come and free the rest.
  static constexpr std::uint64_t most_span_for_take_back = claim_slots - 128;

  struct candidate {
    std::uint32_t stream = nothing;
    explicit operator bool() const { return stream != nothing; }
  };

  // Records (dispatch.cpp, dispatch_workers.cpp).
  std::uint32_t index_of(owner_id owner) const;
  std::uint32_t stream_of(std::uint32_t owner, group_id group);
  void push_back(job_ref j);
  void push_front(job_ref j);
  void unlink(job_ref j);
  void leave(job_ref j);
  void leave_with(job_ref j, action::kind what);
  void put_in_pipe(worker_id w, job_ref j);
  void take_out_of_pipe(worker_id w, std::uint64_t sequence);
  bool take_back(worker_id w, std::uint64_t sequence);
  void erase_owner_if_done(std::uint32_t owner);
  void set_tail(worker_id w, std::uint32_t owner);
  void refresh_tail(worker_id w);
  void stop_serving(worker_id w);
  void begin_yield(worker_id w, group_id to, std::uint32_t owner);
  void kill(worker_id w, bool forgiven);
  void leave_unbegun(job_ref j, action::kind what);
  bool is_first(worker_id w, std::uint64_t sequence) const;
  void take_back_behind(worker_id w, std::uint64_t sequence);
  void end_running(worker_id w, job_ref j, action::kind verdict);
  void cancel_piped(job_ref j);
  void end_late(worker_id w);
  void repeat(job_ref j, worker_id w);
  void note_death(group_id g, const ending& how, time_point now);
  void set_unfit(group_id g, std::string reason, time_point until);
  void take_turn(std::uint32_t stream);
  std::uint32_t user_of_worker(worker_id w) const;
  void drop_job_of_gone_owner(job_ref j);
  bool settle_pipe_of_dead(worker_id w, const ending& how, time_point now);
  void finish_blamed(worker_id w, job_ref j, const ending& how, time_point now);
  void note_start_failure(worker_id w, const ending& how, time_point now);
  void declare_unfit(group_id g, const std::string& reason, time_point now);

  // Check-outs (dispatch_leases.cpp).
  std::uint32_t special_stream_of(std::uint32_t owner, group_id group);
  bool queue_in_place(job_ref j, group_id group);
  void note_sent(worker_id w, job_ref j);
  void note_taken_back(job_ref j);
  bool may_run(const worker_record& w, const job_record& j) const;
  bool has_resources(const job_record& j) const { return j.needs == nullptr || stock_.has(*j.needs); }
  bool is_short_of_resources(const stream_record& s) const;
  bool has_done_round(const worker_record& w, const job_record& j) const;
  bool has_stuck_round(group_id g) const;
  void open_lease(worker_id w, job_ref j);
  void tell_over(owner_id owner, std::uint64_t place, worker_id w);
  void end_lease_of(worker_id w);
  void settle_leases();
  void give_back_lease(lease& l);
  void end_leases_of(owner_id owner);
  void forget_lease_group(group_id g);
  job_ref first_for(const worker_record& w, const stream_record& s) const;

  // Decisions (dispatch_settle.cpp, dispatch_fairness.cpp).
  void kill_overdue();
  void wish(worker_id w, job_ref j, action::kind verdict);
  void grant_wish(worker_id w);
  void end_late_jobs();
  void look_at_time_limits();
  void return_unfit();
  void return_unfit_of(group_id g);
  void give_back_all();
  void shed_surplus();
  void make_room();
  bool make_room_for(const candidate& who);
  worker_id idle_victim(const stream_record& wanted);
  worker_id busy_victim(const candidate& who);
  unsigned freed_soon() const;
  std::uint32_t share_with_worker(worker_id w, std::uint32_t owner) const;
  void start_workers();
  void start_worker(const candidate& who);
  void feed_new();
  void feed_all(bool one_each);
  void feed(worker_id w, std::uint32_t depth);
  bool may_take(const worker_record& w, job_ref j, std::uint32_t depth) const;
  void share_with_idle();
  void share_with(worker_id idle);
  void even_out(group_id g);
  bool displace(candidate who);
  void retire();
  void forget_groups();
  void look_again(time_point when) { next_look_ = when < next_look_ ? when : next_look_; }

  bool is_refusing() const { return draining_ || limits_.slots == 0; }
  bool wants_worker(const group_record& g) const;
  bool may_start(const group_record& g);
  candidate neediest();
  bool comes_before(std::uint32_t a, std::uint32_t b, worker_id leaving_out) const;
  std::uint32_t choose_stream(worker_id w) const;
  bool is_short_of(std::uint32_t one, std::uint32_t other) const;
  bool is_any_changing(worker_id but) const;
  std::uint32_t owner_of_first(worker_id w) const;
  void note_run_time(stream_record& s, duration run_time);
  bool is_long(const stream_record& s) const { return s.window <= 2; }

  limits limits_;
  claims& claims_;
  table<job_record> jobs_;
  table<stream_record> streams_;
  table<owner_record> owners_;
  table<group_record> groups_;
  table<worker_record> workers_;
  lease_table leases_;
  resource_stock stock_;
  std::vector<action> actions_;
  std::size_t total_jobs_ = 0;
  std::size_t long_jobs_ = 0;   ///< of those in pipes
  std::size_t timed_jobs_ = 0;  ///< of those in pipes
  unsigned processes_ = 0;
  std::uint64_t turn_ = 0;
  bool draining_ = false;
  time_point now_{};
  time_point next_look_ = time_point::max();
};

}  // namespace pp::worker
