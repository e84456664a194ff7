#include "worker/pool.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "net/deadline.hpp"
#include "worker/pool_impl.hpp"

namespace pp::worker {
namespace {

constexpr auto patience_with_killed = std::chrono::seconds(5);  // for processes that hang in the kernel after SIGKILL

dispatch::limits limits_of(const pool_options& o) {
  return {o.slots, o.recycle_after, o.max_window, o.start_limit, o.restart_limit, o.restart_window, o.keep_warm};
}

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

pool::impl::impl(net::executor ex, const pool_options& o)
    : executor(ex),
      options(o),
      decide(limits_of(o), *this),
      tasks(ex),
      last_resort(ex),
      look(ex),
      next_watch(ex),
      next_sweep(ex),
      loop(net::poll_list::of(ex)) {
  decide.set_resources(o.resources);
  tasks.spawn("pool", look_after());
}

// --- what workers say ------------------------------------------------------------------------------------------------

void pool::impl::on_worker_ready(worker_id w) {
  if (!decide.on_worker_ready(w, now())) workers[w]->break_off("said READY twice");
}

// Told at once and not in deliver(): dispatch is not deciding now, and the payload need not be kept.
void pool::impl::on_worker_result(worker_id w, std::uint64_t sequence, handed_bytes payload) {
  const auto run_us = load_big_endian<std::uint32_t>(payload.view.data() + 4);
  if (batch_time == time_point{}) batch_time = now();
  const auto j = decide.on_result(w, sequence, std::chrono::microseconds(run_us), batch_time);
  tell_lent();
  if (j == nothing) {
    // The job may have been ended while its result was on the way.
    if (decide.worker(w).is != worker_record::state::ending)
      workers[w]->break_off("answered a job that it did not have");
    return;
  }
  payload.view[0] = 1;  // credit is the owner's business, not the worker's
  const auto job = decide.job(j);
  ++numbers.jobs_done;
  release(j);
  if (auto* to = owner(job.owner)) to->on_result(job.id, job.attempt, std::move(payload));
}

void pool::impl::release(job_ref j) {
  payloads[j].reset();
  terms[j].reset();
  values[j].reset();
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
  if (!is_watching && !closing && decide.jobs() > 0 && decide.running_workers() > 0) {
    is_watching = true;
    tasks.spawn("watch jobs", watch());
  }
  follow_long_jobs();
  tell_lent();
  tell_over();  // before what was meant for it comes back
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
      if (values[a.job]) give_values(a);
      workers[a.worker]->road()->send_job(a.sequence, decide.job(a.job).attempt, payloads[a.job]);
      if (to_flush.empty() || to_flush.back() != a.worker) to_flush.push_back(a.worker);
      return;
    // It may have ended by itself between the decision and now.
    case kind::stop: return workers[a.worker] ? workers[a.worker]->finish(options.kill_grace) : void();
    case kind::kill: return workers[a.worker] ? workers[a.worker]->kill() : void();
    case kind::place_gone:
    case kind::not_started: return take_away(a, not_started_result());
    case kind::end_job: return workers[a.worker] ? workers[a.worker]->terminate(options.kill_grace) : void();
    case kind::timed_out:
    case kind::cpu_limit:
    case kind::memory_limit:
    case kind::cancelled: return tell_limit(a);
    case kind::outcome_unknown: return tell_unknown(a);
    case kind::crashed: return tell_crash(a);
    case kind::unfit_job: unfit_jobs.push_back(decide.job(a.job).id); return release(a.job);
    case kind::unfit:
      unfits.push_back({a.owner, programs[a.group].what->id, decide.unfit_reason(a.group), std::move(unfit_jobs)});
      unfit_jobs.clear();
      return;
    case kind::lease_over: return note_over(a);
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
    watched.resize(a.worker + 1);
    rest_until.resize(a.worker + 1);
  }
  PP_ASSERT(!workers[a.worker]);
  auto& arguments = arenas[a.group];
  if (!arguments && options.road != road_kind::socket) arguments = argument_arena::create();
  workers[a.worker] = std::make_unique<supervisor>(executor, a.worker, programs[a.group], arguments, options, *this);
  watched[a.worker] = {};
  rest_until[a.worker] = {};
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
  dispatch::new_job what_of{job.id, payload.size(), job.attempt};
  if (job.terms) {
    what_of.priority = job.terms->priority;
    what_of.at_most_once = job.terms->at_most_once;
    what_of.timeout = std::chrono::milliseconds(job.terms->timeout_ms);
    what_of.use = job.terms->use;
    what_of.place = job.terms->place;
    if (!job.terms->resources.empty()) what_of.needs = &job.terms->resources;
  }
  const auto j = impl_->decide.on_submit(owner, group, what_of);
  if (impl_->payloads.size() <= j) {
    impl_->payloads.resize(std::max<std::size_t>(j + 1, 2 * impl_->payloads.size()));
    impl_->terms.resize(impl_->payloads.size());
    impl_->values.resize(impl_->payloads.size());
  }
  impl_->payloads[j] = std::move(job.payload);
  impl_->terms[j] = std::move(job.terms);
  impl_->values[j] = std::move(job.values);
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

void pool::cancel(owner_id owner, std::uint64_t job) {
  impl_->decide.on_cancel(owner, job, now());
  impl_->schedule();
}

void pool::set_weight(owner_id owner, std::uint32_t weight) { impl_->decide.set_weight(owner, weight); }

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
  self.next_watch.cancel();
  self.next_sweep.cancel();
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
