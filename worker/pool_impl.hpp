// The inside of a pool, for pool.cpp and pool_watch.cpp only.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.hpp"
#include "net/task_group.hpp"
#include "worker/dispatch.hpp"
#include "worker/made_results.hpp"
#include "worker/pool.hpp"
#include "worker/supervisor.hpp"
#include "worker/watchdog.hpp"

namespace pp::worker {

struct pool::impl final : claims, supervisor::listener {
  struct told_result {
    owner_id owner;
    std::uint64_t job;
    std::uint16_t attempt;
    bytes payload;  ///< made by the pool itself, see made_results.hpp
  };
  struct told_unfit {
    owner_id owner;
    code::image_id image;
    std::string reason;
    std::vector<std::uint64_t> jobs;
  };

  struct told_over {
    owner_id owner;
    std::uint64_t place;
    std::string why;
  };

  impl(net::executor ex, const pool_options& o);

  // Claim words.
  bool try_take_back(worker_id w, std::uint64_t sequence) override {
    auto* road = workers[w]->road();
    return road != nullptr && road->take_back(sequence);
  }
  claim fate_of(worker_id w, std::uint64_t sequence) const override {
    const auto* road = std::as_const(*workers[w]).road();
    return road == nullptr ? claim::done : road->fate_of(sequence);
  }

  // What workers say.
  void on_worker_ready(worker_id w) override;
  void on_worker_result(worker_id w, std::uint64_t sequence, handed_bytes payload) override;
  void on_worker_batch_end(worker_id) override { settle(); }

  net::awaitable<void> look_after();
  net::awaitable<void> supervise(worker_id w);
  // Watching what running jobs use (pool_watch.cpp).
  net::awaitable<void> watch();
  void look_at(worker_id w);
  void end_early(const action& a, errc code, const std::string& what);
  // Shared values (pool_values.cpp).
  void give_values(const action& a);
  net::awaitable<void> sweep_values();
  void count_limit(action::kind what);
  void tell_limit(const action& a);
  void tell_crash(const action& a);
  void tell_unknown(const action& a);
  job_facts facts_of(const action& a) const;
  worker_status status_of(worker_id w, time_point at) const;
  program_status status_of_program(group_id g, time_point at) const;
  const wire::terms& terms_of(job_ref j) const;
  std::uint64_t memory_limit_of(job_ref j) const;
  net::awaitable<void> cancel_after(duration limit);
  void on_ended(worker_id w, worker_end end);
  void schedule();
  void settle();
  void carry_out(const action& a);
  void start(const action& a);
  void take_away(const action& a, bytes payload);
  void release(job_ref j);
  void deliver();
  // Workers that are checked out (pool_leases.cpp).
  void note_over(const action& a);
  void tell_lent();
  void tell_over();
  void follow_long_jobs();
  group_id find_group(const program& what) const;
  group_id group_for(const program& what);
  void tell_waiters();
  pool_owner* owner(owner_id id) const { return decide.is_known(id) ? owners[slot_of(id)] : nullptr; }
  static std::size_t slot_of(owner_id id) { return dispatch::slot_of(id); }

  net::executor executor;
  pool_options options;
  dispatch decide;
  net::task_group tasks;
  net::task_group last_resort;  ///< stops waiting for what SIGKILL does not end
  net::steady_timer look;       ///< when settle() is due without an event
  time_point armed = time_point::max();
  net::steady_timer next_watch;
  net::steady_timer next_sweep;
  bool is_watching = false;
  bool scheduled = false, closing = false;
  std::list<net::steady_timer*> waiters;

  std::vector<pool_owner*> owners;                      ///< by dispatch::slot_of
  std::vector<program> programs;                        ///< by group
  std::vector<std::shared_ptr<argument_arena>> arenas;  ///< by group; made with its first worker
  group_id last_group = nothing;
  std::vector<std::unique_ptr<supervisor>> workers;
  std::vector<worker_end> ends;                           ///< by worker, of the last one there
  std::vector<watchdog> watched;                          ///< by worker
  std::vector<time_point> rest_until;                     ///< by worker: no look before
  std::vector<job_bytes> payloads;                        ///< by job
  std::vector<std::shared_ptr<const wire::terms>> terms;  ///< by job; null for most
  std::vector<value_list> values;                         ///< by job; null for most
  bool is_sweeping_values = false;
  std::vector<action> actions;
  std::vector<worker_id> to_flush;

  // To be told when dispatch and workers are done with this turn.
  std::vector<told_result> results, delivering;
  std::vector<told_unfit> unfits;
  std::vector<told_over> leases_over;
  unsigned lent = 0;  ///< as owners were told
  std::vector<std::uint64_t> unfit_jobs;
  time_point batch_time{};     ///< of the results told together: the clock is read once for all of them
  bool has_long_jobs = false;  ///< then the loop does not spin: the cores are theirs
  net::poll_list& loop;
  pool_counters numbers;
};

}  // namespace pp::worker
