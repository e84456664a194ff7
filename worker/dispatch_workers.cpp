// What dispatch notes about pipes and workers.
#include <algorithm>
#include <csignal>
#include <utility>

#include "worker/dispatch.hpp"

namespace pp::worker {
namespace {

constexpr auto first_start_delay = std::chrono::milliseconds(100);
constexpr std::uint32_t most_start_failures = 3;
constexpr auto unfit_for = std::chrono::seconds(30);  // then a new job tries again: the machine may have been mended

}  // namespace

// --- pipes -----------------------------------------------------------------------------------------------------------

void dispatch::put_in_pipe(worker_id w, job_ref j) {
  auto& me = workers_[w];
  auto& job = jobs_[j];
  auto& s = streams_[job.stream];
  PP_ASSERT(me.room() > 0);
  job.where = job_record::place::piped;
  job.worker = w;
  job.sequence = me.next;
  job.is_long = is_long(s);
  me.at(me.next++) = j;
  note_sent(w, j);
  if (me.live++ == 0) me.head_since = now_;
  me.live_long += job.is_long ? 1 : 0;
  long_jobs_ += job.is_long ? 1 : 0;
  me.live_timed += job.timeout.count() > 0 ? 1 : 0;
  timed_jobs_ += job.timeout.count() > 0 ? 1 : 0;
  me.live_bytes += job.size;
  me.last_used = now_;
  ++s.live;
  ++groups_[me.group].live;
  if (!me.yields) set_tail(w, s.owner);
  actions_.push_back({action::kind::send, w, me.group, j, job.owner, job.sequence});
}

void dispatch::take_out_of_pipe(worker_id w, std::uint64_t sequence) {
  auto& me = workers_[w];
  const auto& job = jobs_[me.at(sequence)];
  --me.live;
  me.live_long -= job.is_long ? 1 : 0;
  long_jobs_ -= job.is_long ? 1 : 0;
  me.live_timed -= job.timeout.count() > 0 ? 1 : 0;
  timed_jobs_ -= job.timeout.count() > 0 ? 1 : 0;
  me.live_bytes -= job.size;
  --streams_[job.stream].live;
  --groups_[me.group].live;
  me.at(sequence) = nothing;
  if (job.use == wire::place_use::opens) me.opens = false;
  if (job.needs != nullptr) stock_.give_back(*job.needs);
}

bool dispatch::take_back(worker_id w, std::uint64_t sequence) {
  if (workers_[w].span() > most_span_for_take_back || !claims_.try_take_back(w, sequence)) return false;
  if (is_first(w, sequence)) workers_[w].head_since = now_;
  take_out_of_pipe(w, sequence);
  refresh_tail(w);
  return true;
}

void dispatch::set_tail(worker_id w, std::uint32_t owner) {
  auto& me = workers_[w];
  const auto before = me.tail;
  if (before == owner) return;
  me.tail = owner;
  if (owner != nothing) ++owners_[owner].tails;
  if (before == nothing) return;
  --owners_[before].tails;
  erase_owner_if_done(before);
}

void dispatch::refresh_tail(worker_id w) {
  const auto& me = workers_[w];
  if (me.yields || me.is_lent || me.is != worker_record::state::ready)
    return;  // the slot is promised, or lost, to somebody
  std::uint32_t owner = nothing;
  for (auto s = me.next; me.live > 0 && s-- > me.head && owner == nothing;) {
    if (me.at(s) != nothing) owner = streams_[jobs_[me.at(s)].stream].owner;
  }
  set_tail(w, owner);
}

job_ref dispatch::on_result(worker_id w, std::uint64_t sequence, duration run_time, time_point now) {
  now_ = now;
  auto& me = workers_[w];
  if (sequence < me.head || sequence >= me.next || me.at(sequence) == nothing) return nothing;
  for (auto s = me.head; s < sequence; ++s) {
    if (me.at(s) != nothing) return nothing;  // answered out of order
  }
  const auto j = me.at(sequence);
  take_out_of_pipe(w, sequence);
  me.head = sequence + 1;
  me.last_used = me.head_since = now;
  ++me.done;
  auto& s = streams_[jobs_[j].stream];
  // What opens a check-out does nothing, and what runs in one says nothing about how long other jobs take.
  if (jobs_[j].use != wire::place_use::opens) note_run_time(s, run_time);
  if (!me.is_lent && (!s.is_special || jobs_[j].needs != nullptr)) owners_[s.owner].run_time.add(run_time);
  if (is_long(s)) me.window = 2;
  groups_[me.group].ever_ran = true;
  groups_[me.group].start_failures = 0;
  if (me.live == 0) refresh_tail(w);
  leave(j);
  if (jobs_[j].use == wire::place_use::opens) open_lease(w, j);
  return j;
}

// --- workers ---------------------------------------------------------------------------------------------------------

bool dispatch::on_worker_ready(worker_id w, time_point now) {
  auto& me = workers_[w];
  if (me.is == worker_record::state::ending) return true;  // too late: it was told to end meanwhile
  if (me.is != worker_record::state::starting) return false;
  me.is = worker_record::state::ready;
  me.ready_since = me.last_used = now;
  if (!me.yields) {
    --groups_[me.group].starting;
    ++groups_[me.group].ready;
  }
  return true;
}

/// It counts no more as one that takes jobs; idempotent because only serving workers are counted.
void dispatch::stop_serving(worker_id w) {
  auto& me = workers_[w];
  if (me.yields || me.is == worker_record::state::ending || me.is == worker_record::state::empty) return;
  auto& g = groups_[me.group];
  --g.serving;
  --(me.is == worker_record::state::starting ? g.starting : g.ready);
}

void dispatch::begin_yield(worker_id w, group_id to, std::uint32_t owner) {
  stop_serving(w);
  auto& me = workers_[w];
  me.yields = true;
  me.yields_to = to;
  if (to != nothing) ++groups_[to].reserved;
  set_tail(w, owner);
  // Newest first, so that they stand at the front of their queues in their old order.
  for (auto s = me.next; s-- > me.head;) {
    const auto j = me.at(s);
    if (j == nothing) continue;
    if (!take_back(w, s)) break;
    push_front(j);
  }
}

void dispatch::kill(worker_id w, bool forgiven) {
  auto& me = workers_[w];
  me.forgiven = me.forgiven || forgiven;
  if (me.is == worker_record::state::ending) return;
  stop_serving(w);
  me.is = worker_record::state::ending;
  actions_.push_back({action::kind::kill, w, me.group});
}

void dispatch::on_worker_exited(worker_id w, const ending& how, time_point now) {
  now_ = now;
  auto& me = workers_[w];
  PP_CHECK(me.is != worker_record::state::empty);
  const bool was_told = me.is == worker_record::state::ending && !me.overdue;
  stop_serving(w);
  me.is = worker_record::state::ending;  // it is none of those that anything below may kill or count
  const bool ran_something = settle_pipe_of_dead(w, how, now) || me.done > 0;
  if (me.is_lent) end_lease_of(w);
  if ((!was_told && !ran_something) || how.final) note_start_failure(w, how, now);
  if (!was_told) note_death(me.group, how, now);
  set_tail(w, nothing);
  if (me.yields_to != nothing) --groups_[me.yields_to].reserved;
  --groups_[me.group].workers;
  --processes_;
  workers_[w].is = worker_record::state::empty;
  workers_.erase(w);
}

/// True if the worker had begun any of them.
bool dispatch::settle_pipe_of_dead(worker_id w, const ending& how, time_point now) {
  auto& me = workers_[w];
  job_ref blamed = nothing;
  bool ran = false;
  for (auto s = me.next; s-- > me.head;) {
    const auto j = me.at(s);
    if (j == nothing) continue;
    const auto fate = claims_.fate_of(w, s);
    const bool began = fate == claim::claimed;
    ran = ran || began || fate == claim::done;
    take_out_of_pipe(w, s);
    // Only one can have been running; if the page says more, it was scribbled on and the oldest is meant.
    const auto back = began ? std::exchange(blamed, j) : j;
    if (back == nothing) continue;
    if (owners_[index_of(jobs_[back].owner)].is_gone) {
      leave_with(back, action::kind::dropped);
    } else if (fate == claim::queued) {
      push_front(back);
    } else {
      repeat(back, w);  // done but its result died with the worker: nobody is blamed
    }
  }
  if (blamed != nothing) finish_blamed(w, blamed, how, now);
  return ran;
}

void dispatch::finish_blamed(worker_id w, job_ref j, const ending& how, time_point now) {
  auto& me = workers_[w];
  auto& g = groups_[me.group];
  if (owners_[index_of(jobs_[j].owner)].is_gone) {
    leave_with(j, action::kind::dropped);
  } else if (me.forgiven) {
    repeat(j, w);
  } else if (how.signal == SIGILL && !g.ever_ran) {
    repeat(j, w);
    declare_unfit(me.group,
                  "illegal instruction: the program was built for a newer processor (for example with "
                  "-march=native); build it for this one or without -march",
                  now);
  } else {
    g.start_failures = 0;
    leave_with(j, action::kind::crashed);
  }
}

void dispatch::note_start_failure(worker_id w, const ending& how, time_point now) {
  const auto& me = workers_[w];
  auto& g = groups_[me.group];
  std::string reason = how.reason;
  if (me.overdue) {
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.start_limit).count();
    reason = "the program did not reach pp::init within " + std::to_string(limit) + " ms of its start";
  }
  if (how.final) return declare_unfit(me.group, reason, now);
  if (g.start_failures > 0 && me.started <= g.last_failure) return;  // of one and the same bad moment
  g.not_before = now + first_start_delay * (1 << std::min(g.start_failures, 5U));
  g.last_failure = now;
  if (++g.start_failures >= most_start_failures && g.ready == 0) declare_unfit(me.group, reason, now);
}

void dispatch::declare_unfit(group_id g, const std::string& reason, time_point now) {
  set_unfit(g, reason.empty() ? "the program cannot be started here" : reason, now + unfit_for);
}

void dispatch::set_unfit(group_id g, std::string reason, time_point until) {
  groups_[g].unfit_reason = std::move(reason);
  groups_[g].unfit_until = until;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    if (workers_[w].group == g && workers_[w].is == worker_record::state::starting) kill(w, true);
  }
}

}  // namespace pp::worker
