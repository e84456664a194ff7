// What dispatch decides: which worker gets a job, which is started, which makes room.
#include <algorithm>

#include "worker/dispatch.hpp"

namespace pp::worker {
namespace {

constexpr auto work_ahead = std::chrono::milliseconds(20);  // in one worker's pipe, for short jobs
constexpr auto short_job = std::chrono::milliseconds(1);    // above it no more than two jobs are bound to a worker
constexpr auto time_slice = std::chrono::milliseconds(50);  // a worker serves this long before it must make room
constexpr std::size_t most_pipe_bytes = 4U << 20U;          // ahead in one pipe, beyond the job that comes first

}  // namespace

void dispatch::settle(time_point now, std::vector<action>& out) {
  PP_ASSERT(out.empty());
  now_ = now;
  next_look_ = time_point::max();
  settle_leases();
  kill_overdue();
  if (timed_jobs_ > 0) end_late_jobs();
  return_unfit();
  if (is_refusing()) give_back_all();
  shed_surplus();
  feed_new();
  make_room();
  feed_all(true);  // before workers are started for what waits, and before anything is queued behind a running job
  start_workers();
  feed_all(false);
  share_with_idle();
  for (group_id g = 0; g < groups_.size(); ++g) even_out(g);
  if (timed_jobs_ > 0) look_at_time_limits();
  retire();
  forget_groups();
  out.swap(actions_);
}

// --- what must go ----------------------------------------------------------------------------------------------------

void dispatch::kill_overdue() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    if (workers_[w].is != worker_record::state::starting) continue;
    const auto limit = workers_[w].started + limits_.start_limit;
    if (now_ < limit) {
      look_again(limit);
      continue;
    }
    workers_[w].overdue = true;
    kill(w, true);
  }
}

void dispatch::return_unfit() {
  for (group_id g = 0; g < groups_.size(); ++g) {
    if (groups_[g].unfit_reason.empty()) continue;
    if (now_ >= groups_[g].unfit_until) {
      groups_[g].unfit_reason.clear();
      groups_[g].start_failures = 0;
    } else if (groups_[g].queued > 0) {
      return_unfit_of(g);
    }
  }
}

void dispatch::return_unfit_of(group_id g) {
  const auto streams = groups_[g].streams;
  for (const auto s : streams) {
    if (streams_[s].queued == 0) continue;
    const auto owner = jobs_[streams_[s].first].owner;
    while (streams_[s].first != nothing) {
      const auto j = streams_[s].first;
      unlink(j);
      leave_with(j, action::kind::unfit_job);
    }
    actions_.push_back({action::kind::unfit, nothing, g, nothing, owner});
  }
}

void dispatch::give_back_all() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    auto& me = workers_[w];
    if (me.is == worker_record::state::empty || (me.is_lent && !draining_)) continue;
    for (auto s = me.next; me.live > 0 && s-- > me.head;) {
      const auto j = me.at(s);
      if (j == nothing) continue;
      if (!take_back(w, s)) break;
      leave_with(j, action::kind::not_started);
    }
  }
  for (std::uint32_t s = 0; s < streams_.size(); ++s) {
    const bool is_lent = streams_[s].group != nothing && groups_[streams_[s].group].base != nothing;
    while (streams_[s].queued > 0 && (draining_ || !is_lent)) {
      const auto j = streams_[s].first;
      unlink(j);
      leave_with(j, action::kind::not_started);
    }
  }
}

void dispatch::shed_surplus() {
  unsigned serving = 0;
  for (group_id g = 0; g < groups_.size(); ++g) serving += groups_[g].is_used ? groups_[g].serving : 0;
  while (serving > limits_.slots) {
    worker_id victim = nothing;
    for (worker_id w = 0; w < workers_.size(); ++w) {
      const auto& me = workers_[w];
      if (me.yields || me.is_kept() || me.is == worker_record::state::empty || me.is == worker_record::state::ending)
        continue;
      if (victim == nothing || me.live < workers_[victim].live) victim = w;
    }
    if (victim == nothing) return;  // all that is left is checked out
    begin_yield(victim, nothing, nothing);
    --serving;
  }
}

void dispatch::retire() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    auto& me = workers_[w];
    if (!me.is_idle() || me.is_lent) continue;
    const auto& g = groups_[me.group];
    const bool is_worn = limits_.recycle_after != 0 && me.done >= limits_.recycle_after;
    const bool is_orphan = g.streams.empty() && now_ >= g.orphan_since + limits_.keep_warm;
    if (g.streams.empty() && !is_orphan) look_again(g.orphan_since + limits_.keep_warm);
    if (!me.yields && !is_worn && !is_orphan) continue;
    stop_serving(w);
    me.is = worker_record::state::ending;
    actions_.push_back({action::kind::stop, w, me.group});
  }
}

void dispatch::forget_groups() {
  for (group_id g = 0; g < groups_.size(); ++g) {
    auto& group = groups_[g];
    if (!group.is_used || !group.had_jobs || !group.streams.empty() || group.base != nothing) continue;
    if (group.workers > 0 || group.reserved > 0) continue;
    group.is_used = false;
    groups_.erase(g);
    actions_.push_back({action::kind::forget_group, nothing, g});
  }
}

// --- workers for images ----------------------------------------------------------------------------------------------

void dispatch::start_workers() {
  if (is_refusing()) return;
  while (processes_ < limits_.slots) {
    const auto who = neediest();
    if (!who) return;
    start_worker(who);
  }
}

void dispatch::start_worker(const candidate& who) {
  const auto w = workers_.add();
  const auto& s = streams_[who.stream];
  auto& me = workers_[w];
  me = {};
  me.is = worker_record::state::starting;
  me.group = s.group;
  me.started = now_;
  auto& g = groups_[s.group];
  ++g.workers;
  ++g.serving;
  ++g.starting;
  ++processes_;
  take_turn(who.stream);
  set_tail(w, s.owner);
  look_again(now_ + limits_.start_limit);
  actions_.push_back({action::kind::start, w, s.group});
}

void dispatch::make_room() {
  if (is_refusing() || processes_ - freed_soon() < limits_.slots) return;
  for (unsigned i = 0; i < limits_.slots; ++i) {
    const auto who = neediest();
    if (!who || !make_room_for(who)) return;
  }
}

bool dispatch::make_room_for(const candidate& who) {
  const auto& s = streams_[who.stream];
  auto victim = idle_victim(s);
  if (victim == nothing && s.queued > 0) victim = busy_victim(who);
  if (victim == nothing) return false;
  begin_yield(victim, s.group, s.owner);
  return true;
}

/// Processes that are ending anyway, and for nobody in particular.
unsigned dispatch::freed_soon() const {
  unsigned count = 0;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    count += workers_[w].is == worker_record::state::ending && workers_[w].yields_to == nothing ? 1 : 0;
  }
  return count;
}

/// The worker of another image that has been idle for the longest time, and whose image has nothing to do. Who has a worker
/// already waits for a time slice: one that is idle while its client sends the next job would be missed at once.
worker_id dispatch::idle_victim(const stream_record& wanted) {
  const bool has_one = owners_[wanted.owner].tails > 0;
  worker_id best = nothing;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (!me.is_idle() || me.yields || me.is_kept() || choose_stream(w) != nothing) continue;
    // One of the same image makes room only for a job that has to run in another process than this.
    if (me.group == wanted.group && !has_stuck_round(wanted.group)) continue;
    if (has_one && now_ < me.last_used + time_slice) {
      look_again(me.last_used + time_slice);
      continue;
    }
    if (best == nothing || me.last_used < workers_[best].last_used) best = w;
  }
  return best;
}

/// Whom this worker serves, or is about to serve.
std::uint32_t dispatch::user_of_worker(worker_id w) const {
  const auto tail = workers_[w].tail;
  const auto next = tail == nothing ? choose_stream(w) : nothing;
  return next == nothing ? tail : streams_[next].owner;
}

/// How many slots that owner has with this worker.
std::uint32_t dispatch::share_with_worker(worker_id w, std::uint32_t owner) const {
  return owners_[owner].tails + (workers_[w].tail == nothing ? 1 : 0);
}

/// A worker of the owner that has most, if that still has no less without it than who needs one has with it, or if who
/// needs one has none at all.
worker_id dispatch::busy_victim(const candidate& who) {
  const auto& s = streams_[who.stream];
  const auto& mine = owners_[s.owner];
  worker_id best = nothing;
  std::uint64_t most = 0, weight_of_most = 1;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (!me.takes_jobs() || me.is_kept() || me.group == s.group) continue;
    const auto user = user_of_worker(w);
    if (user == nothing || user == s.owner) continue;
    const std::uint64_t theirs = share_with_worker(w, user), weight = owners_[user].weight;
    if (mine.tails > 0 && (theirs - 1) * mine.weight < (mine.tails + std::uint64_t{1}) * weight) continue;
    if (now_ < me.ready_since + time_slice) {
      look_again(me.ready_since + time_slice);
      continue;
    }
    const auto a = theirs * weight_of_most, b = most * weight;
    if (a < b || (a == b && me.ready_since >= workers_[best].ready_since)) continue;
    best = w;
    most = theirs;
    weight_of_most = weight;
  }
  return best;
}

// --- jobs for workers ------------------------------------------------------------------------------------------------

/// Called when a job has run, because a division for each question would cost more than the question.
void dispatch::note_run_time(stream_record& s, duration run_time) {
  const auto before = s.run_time.value();
  const bool was_known = s.run_time.is_known();
  s.run_time.add(run_time);
  if (was_known && s.run_time.value() == before) return;
  const auto mean = std::max<duration>(s.run_time.value(), std::chrono::microseconds(1));
  const auto ahead = std::clamp<std::int64_t>(work_ahead / mean, 2, std::max(limits_.max_window, 2U));
  s.window = mean > short_job ? 2 : static_cast<std::uint32_t>(ahead);
}

bool dispatch::may_take(const worker_record& w, job_ref j, std::uint32_t depth) const {
  const auto& s = streams_[jobs_[j].stream];
  if (w.live >= depth || w.room() == 0 || w.opens) return false;
  if (limits_.recycle_after != 0 && !w.is_lent && w.done + w.live >= limits_.recycle_after) return false;
  if (w.live == 0) return true;
  if (jobs_[j].use == wire::place_use::opens || jobs_[j].needs != nullptr)
    return false;  // not bound to a busy worker: the first that is idle has it
  const auto window = w.live_long > 0 || is_long(s) ? 2U : std::min(w.window, s.window);
  return w.live < std::min(window, limits_.max_window) && w.live_bytes + jobs_[j].size <= most_pipe_bytes;
}

/// A new worker counts as its owner's until it has a job: an owner that seemed to have none meanwhile would take another's.
void dispatch::feed_new() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    if (!workers_[w].takes_jobs() || workers_[w].live > 0 || workers_[w].tail == nothing) continue;
    if (groups_[workers_[w].group].unfit_reason.empty()) feed(w, 1);
    refresh_tail(w);
  }
}

void dispatch::feed_all(bool one_each) {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    if (!workers_[w].takes_jobs()) continue;
    const auto& g = groups_[workers_[w].group];
    if (g.queued == 0 || !g.unfit_reason.empty()) continue;
    // What is there is spread evenly; it is cheap to guess wrong, because unbegun jobs are taken back for idle workers.
    const auto even = (g.queued + g.live + g.ready - 1) / std::max(g.ready, 1U);
    feed(w, one_each ? 1 : std::max(even, 2U));
  }
}

void dispatch::feed(worker_id w, std::uint32_t depth) {
  // A pipe of short jobs is filled up when half of it is used: many jobs a write instead of one for each that ended.
  if (2 * workers_[w].live > std::min(workers_[w].window, depth)) return;
  for (;;) {
    const auto s = choose_stream(w);
    if (s == nothing) return;
    auto& me = workers_[w];
    const auto j = first_for(me, streams_[s]);
    if (!may_take(me, j, depth)) {
      // Opens step by step, so that a wrong first impression of how short the jobs are costs little.
      if (me.live >= me.window && me.window < streams_[s].window) me.window *= 2;
      return;
    }
    unlink(j);
    take_turn(s);
    put_in_pipe(w, j);
  }
}

void dispatch::share_with_idle() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (!me.takes_jobs() || me.live > 0) continue;
    const auto& g = groups_[me.group];
    const bool may_run_more = limits_.recycle_after == 0 || me.done < limits_.recycle_after;
    // What is queued may wait for resources, or for other workers than this.
    const bool has_nothing = g.queued == 0 || choose_stream(w) == nothing;
    if (has_nothing && g.live > 1 && g.unfit_reason.empty() && may_run_more) share_with(w);
  }
}

/// Takes half of what stands behind the fullest worker's running job.
void dispatch::share_with(worker_id idle) {
  worker_id from = nothing;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& other = workers_[w];
    if (other.is != worker_record::state::ready || other.group != workers_[idle].group || other.live < 2) continue;
    if (from == nothing || other.live > workers_[from].live) from = w;
  }
  if (from == nothing) return;
  const auto& to = workers_[idle];
  auto wanted = std::min<std::uint64_t>(workers_[from].live / 2, to.room());
  if (limits_.recycle_after != 0) wanted = std::min<std::uint64_t>(wanted, limits_.recycle_after - to.done);
  std::vector<job_ref> taken;  // rarely needed, so its memory is not worth keeping
  for (auto s = workers_[from].next; taken.size() < wanted && s-- > workers_[from].head;) {
    const auto j = workers_[from].at(s);
    if (j == nothing || !may_run(to, jobs_[j])) continue;
    if (!take_back(from, s)) break;
    note_taken_back(j);
    taken.push_back(j);
  }
  for (; !taken.empty(); taken.pop_back()) put_in_pipe(idle, taken.back());
}

}  // namespace pp::worker
