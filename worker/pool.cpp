#include "worker/pool.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/deadline.hpp"
#include "net/loop.hpp"
#include "net/task_group.hpp"
#include "worker/dispatch.hpp"
#include "worker/made_results.hpp"
#include "worker/supervisor.hpp"

namespace pp::worker {
namespace {

constexpr auto patience_with_killed = std::chrono::seconds(5);  // for processes that hang in the kernel after SIGKILL

dispatch::limits limits_of(const pool_options& o) { return {o.slots, o.recycle_after, o.max_window, o.start_limit}; }

/// In the list of those to be woken for as long as it lives.
class waiting {
 public:
  waiting(std::list<net::steady_timer*>& all, net::steady_timer& timer)
      : all_(all), place_(all.insert(all.end(), &timer)) {}
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;
  ~waiting() { all_.erase(place_); }

 private:
  std::list<net::steady_timer*>& all_;
  std::list<net::steady_timer*>::iterator place_;
};

}  // namespace

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

  impl(net::executor ex, const pool_options& o)
      : executor(ex),
        options(o),
        decide(limits_of(o), *this),
        tasks(ex),
        last_resort(ex),
        look(ex),
        loop(net::poll_list::of(ex)) {
    tasks.spawn("pool", look_after());
  }

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
  net::awaitable<void> cancel_after(duration limit);
  void on_ended(worker_id w, worker_end end);
  void schedule();
  void settle();
  void carry_out(const action& a);
  void start(const action& a);
  void take_away(const action& a, bytes payload);
  void release(job_ref j);
  void deliver();
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
  bool scheduled = false, closing = false;
  std::list<net::steady_timer*> waiters;

  std::vector<pool_owner*> owners;                      ///< by dispatch::slot_of
  std::vector<program> programs;                        ///< by group
  std::vector<std::shared_ptr<argument_arena>> arenas;  ///< by group; made with its first worker
  group_id last_group = nothing;
  std::vector<std::unique_ptr<supervisor>> workers;
  std::vector<worker_end> ends;     ///< by worker, of the last one there
  std::vector<job_bytes> payloads;  ///< by job
  std::vector<action> actions;
  std::vector<worker_id> to_flush;

  // To be told when dispatch and workers are done with this turn.
  std::vector<told_result> results, delivering;
  std::vector<told_unfit> unfits;
  std::vector<std::uint64_t> unfit_jobs;
  time_point batch_time{};     ///< of the results told together: the clock is read once for all of them
  bool has_long_jobs = false;  ///< then the loop does not spin: the cores are theirs
  net::poll_list& loop;
  pool_counters numbers;
};

// --- what workers say ------------------------------------------------------------------------------------------------

void pool::impl::on_worker_ready(worker_id w) {
  if (!decide.on_worker_ready(w, now())) workers[w]->break_off("said READY twice");
}

// Told at once and not in deliver(): dispatch is not deciding now, and the payload need not be kept.
void pool::impl::on_worker_result(worker_id w, std::uint64_t sequence, handed_bytes payload) {
  const auto run_us = load_big_endian<std::uint32_t>(payload.view.data() + 4);
  if (batch_time == time_point{}) batch_time = now();
  const auto j = decide.on_result(w, sequence, std::chrono::microseconds(run_us), batch_time);
  if (j == nothing) return workers[w]->break_off("answered a job that it did not have");
  payload.view[0] = 1;  // credit is the owner's business, not the worker's
  const auto job = decide.job(j);
  ++numbers.jobs_done;
  release(j);
  if (auto* to = owner(job.owner)) to->on_result(job.id, job.attempt, std::move(payload));
}

void pool::impl::release(job_ref j) {
  payloads[j].reset();
  decide.release(j);
}

net::awaitable<void> pool::impl::supervise(worker_id w) {
  // co_spawn runs up to the first wait at once, but settle() is not done with its list yet.
  co_await net::post(executor, net::use_awaitable);
  worker_end end = co_await workers[w]->run();
  on_ended(w, std::move(end));
}

net::awaitable<void> pool::impl::cancel_after(duration limit) {
  co_await net::sleep_for(limit);
  tasks.cancel();
}

void pool::impl::on_ended(worker_id w, worker_end end) {
  if (!end.was_asked) {
    ++numbers.workers_crashed;
    log::info("worker_ended", {{"pid", workers[w]->pid()}, {"reason", end.reason}});
  }
  decide.on_worker_exited(w, {end.how.signal, end.final, end.reason}, now());
  ends[w] = std::move(end);
  workers[w].reset();
  settle();
}

// --- what dispatch decides -------------------------------------------------------------------------------------------

void pool::impl::schedule() {
  if (std::exchange(scheduled, true)) return;
  look.cancel();
}

net::awaitable<void> pool::impl::look_after() {
  while (!closing) {
    if (!scheduled) {
      armed = decide.next_look();
      look.expires_at(armed);
      net::error_code ignored;
      co_await look.async_wait(net::redirect_error(net::use_awaitable, ignored));
    } else {
      // What callbacks asked for must not keep others from their turn.
      co_await net::post(executor, net::use_awaitable);
    }
    scheduled = false;
    armed = time_point::min();  // nothing is armed; the next turn of this loop will
    if (!closing) settle();
  }
}

void pool::impl::settle() {
  batch_time = {};
  decide.settle(now(), actions);
  for (std::size_t i = 0; i < actions.size(); ++i) carry_out(actions[i]);
  actions.clear();
  for (const auto w : to_flush) workers[w]->road()->flush();
  to_flush.clear();
  if (decide.next_look() < armed) schedule();
  follow_long_jobs();
  deliver();
  tell_waiters();
}

void pool::impl::follow_long_jobs() {
  if (decide.has_long_jobs() == has_long_jobs) return;
  has_long_jobs = !has_long_jobs;
  has_long_jobs ? loop.ban_spinning() : loop.allow_spinning();
}

void pool::impl::carry_out(const action& a) {
  using kind = action::kind;
  switch (a.what) {
    case kind::start: return start(a);
    case kind::send:
      workers[a.worker]->road()->send_job(a.sequence, decide.job(a.job).attempt, payloads[a.job]);
      if (to_flush.empty() || to_flush.back() != a.worker) to_flush.push_back(a.worker);
      return;
    case kind::stop: return workers[a.worker]->finish(options.kill_grace);
    case kind::kill: return workers[a.worker]->kill();
    case kind::not_started: return take_away(a, not_started_result());
    case kind::crashed:
      ++numbers.jobs_crashed;
      return take_away(a, closing ? shutdown_result() : crash_result(ends[a.worker]));
    case kind::unfit_job: unfit_jobs.push_back(decide.job(a.job).id); return release(a.job);
    case kind::unfit:
      unfits.push_back({a.owner, programs[a.group].what->id, decide.unfit_reason(a.group), std::move(unfit_jobs)});
      unfit_jobs.clear();
      return;
    case kind::dropped: return release(a.job);
    case kind::forget_group:
      programs[a.group] = {};
      arenas[a.group].reset();
      return;
  }
}

void pool::impl::start(const action& a) {
  if (workers.size() <= a.worker) {
    workers.resize(a.worker + 1);
    ends.resize(a.worker + 1);
  }
  PP_ASSERT(!workers[a.worker]);
  auto& arguments = arenas[a.group];
  if (!arguments && options.road != road_kind::socket) arguments = argument_arena::create();
  workers[a.worker] = std::make_unique<supervisor>(executor, a.worker, programs[a.group], arguments, options, *this);
  ++numbers.workers_started;
  tasks.spawn("worker", supervise(a.worker));
}

void pool::impl::take_away(const action& a, bytes payload) {
  const auto& job = decide.job(a.job);
  results.push_back({job.owner, job.id, job.attempt, std::move(payload)});
  release(a.job);
}

group_id pool::impl::find_group(const program& what) const {
  const auto is_same = [&](group_id g) {
    const auto& p = programs[g];
    return p.what && (p.what == what.what || p.what->id == what.what->id) && p.key == what.key;
  };
  if (last_group < programs.size() && is_same(last_group)) return last_group;
  for (group_id g = 0; g < programs.size(); ++g) {
    if (is_same(g)) return g;
  }
  return nothing;
}

group_id pool::impl::group_for(const program& what) {
  last_group = find_group(what);
  if (last_group != nothing) return last_group;
  last_group = decide.on_group_added();
  if (programs.size() <= last_group) {
    programs.resize(last_group + 1);
    arenas.resize(last_group + 1);
  }
  programs[last_group] = what;
  return last_group;
}

// --- what owners are told --------------------------------------------------------------------------------------------

void pool::impl::deliver() {
  while (!results.empty() || !unfits.empty()) {
    delivering.swap(results);
    for (auto& r : delivering) {
      const mutable_byte_view payload(r.payload);
      if (auto* to = owner(r.owner)) to->on_result(r.job, r.attempt, {payload, {}});
    }
    delivering.clear();
    for (const auto& u : std::exchange(unfits, {})) {
      if (auto* to = owner(u.owner)) to->on_unfit(u.image, u.reason, u.jobs);
    }
  }
}

void pool::impl::tell_waiters() {
  if (decide.jobs() > 0) return;
  for (auto* waiter : waiters) waiter->cancel();
}

// --- the public face -------------------------------------------------------------------------------------------------

pool::pool(net::executor ex, const pool_options& o) : impl_(std::make_unique<impl>(ex, o)) {}
pool::~pool() = default;

pool::owner_id pool::add_owner(pool_owner& owner) {
  const auto id = impl_->decide.on_owner_added();
  if (impl_->owners.size() <= impl::slot_of(id)) impl_->owners.resize(impl::slot_of(id) + 1);
  impl_->owners[impl::slot_of(id)] = &owner;
  return id;
}

void pool::remove_owner(owner_id owner) {
  impl_->decide.on_owner_removed(owner);
  impl_->schedule();
}

void pool::submit(owner_id owner, const program& what, pool_job job) {
  const mutable_byte_view payload = job.payload.writable();
  if (payload.size() >= wire::submit::size) store_big_endian<std::uint32_t>(payload.data(), 0);
  const auto group = impl_->group_for(what);
  const auto j = impl_->decide.on_submit(owner, group, job.id, job.attempt, payload.size());
  if (impl_->payloads.size() <= j) impl_->payloads.resize(std::max<std::size_t>(j + 1, 2 * impl_->payloads.size()));
  impl_->payloads[j] = std::move(job.payload);
  impl_->schedule();
}

block pool::place_for(const program& what, std::size_t size) {
  const auto group = impl_->find_group(what);
  return group != nothing && impl_->arenas[group] ? impl_->arenas[group]->take(size) : block();
}

void pool::recall(owner_id owner, std::uint64_t job) {
  impl_->decide.on_recall(owner, job);
  impl_->schedule();
}

void pool::drain() {
  impl_->decide.drain();
  impl_->schedule();
}

net::awaitable<void> pool::wait_idle(time_point limit) {
  net::steady_timer timer(impl_->executor);
  const waiting entered(impl_->waiters, timer);
  while (impl_->decide.jobs() > 0 && now() < limit) {
    timer.expires_at(limit);
    net::error_code ignored;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
  }
}

net::awaitable<void> pool::close() {
  auto& self = *impl_;
  self.closing = true;
  self.decide.drain();
  self.settle();
  for (auto& worker : self.workers) {
    if (worker) worker->terminate(self.options.kill_grace);
  }
  self.look.cancel();
  self.last_resort.spawn("pool_patience", self.cancel_after(self.options.kill_grace + patience_with_killed));
  co_await self.tasks.join();
  co_await self.last_resort.close();
  self.settle();
}

void pool::set_slots(unsigned slots) {
  impl_->decide.set_slots(slots);
  impl_->schedule();
}

unsigned pool::slots() const { return impl_->decide.slots(); }

duration pool::mean_run_time(owner_id owner) const { return impl_->decide.mean_run_time(owner); }

pool_counters pool::counters() const {
  auto numbers = impl_->numbers;
  numbers.running = impl_->decide.running_workers();
  numbers.workers = impl_->decide.workers();
  numbers.queued = static_cast<unsigned>(impl_->decide.jobs()) - numbers.running;
  return numbers;
}

std::vector<int> pool::worker_pids() const {
  std::vector<int> pids;
  for (const auto& worker : impl_->workers) {
    if (worker && worker->pid() > 0) pids.push_back(worker->pid());
  }
  return pids;
}

}  // namespace pp::worker
