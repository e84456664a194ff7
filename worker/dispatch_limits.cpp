// How jobs and workers are ended before their time: cancel, time limits, other limits, too many deaths.
#include <utility>

#include "worker/dispatch.hpp"

namespace pp::worker {
namespace {

/// A job that is done according to its worker answers within this time, or its time limit holds nevertheless.
constexpr auto patience_with_done = std::chrono::seconds(1);

std::string in_words(duration length) {
  if (length == std::chrono::hours(1)) return "an hour";
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(length).count()) + " s";
}

}  // namespace

// --- what runs -------------------------------------------------------------------------------------------------------

dispatch::running_job dispatch::running_on(worker_id w) const {
  const auto& me = workers_[w];
  if (me.is == worker_record::state::empty || me.live == 0) return {};
  auto first = me.head;
  while (me.at(first) == nothing) ++first;
  return {me.at(first), first, me.head_since};
}

bool dispatch::is_first(worker_id w, std::uint64_t sequence) const { return running_on(w).sequence == sequence; }

/// All that has not begun there stands at the front of its queue again, whatever holes that leaves: the worker ends.
void dispatch::take_back_behind(worker_id w, std::uint64_t sequence) {
  auto& me = workers_[w];
  // Newest first, so that they stand there in their old order.
  for (auto s = me.next; s-- > sequence + 1;) {
    const auto j = me.at(s);
    if (j == nothing) continue;
    if (!claims_.try_take_back(w, s)) return;
    take_out_of_pipe(w, s);
    if (owners_[index_of(jobs_[j].owner)].is_gone) {
      leave_unbegun(j, action::kind::dropped);
    } else {
      push_front(j);
    }
  }
}

/// The job leaves at once; its worker ends as soon as it can be made to.
void dispatch::end_running(worker_id w, job_ref j, action::kind verdict) {
  auto& me = workers_[w];
  const auto sequence = jobs_[j].sequence;
  const bool was_ending = me.is == worker_record::state::ending;
  me.forgiven = true;
  if (!was_ending) take_back_behind(w, sequence);
  claims_.try_take_back(w, sequence);  // a stopped worker that goes on must not begin it now
  take_out_of_pipe(w, sequence);
  leave_with(j, verdict);
  if (was_ending) return;
  stop_serving(w);
  me.is = worker_record::state::ending;
  // What eats memory is not asked.
  const auto how = verdict == action::kind::memory_limit ? action::kind::kill : action::kind::end_job;
  actions_.push_back({how, w, me.group});
}

void dispatch::leave_unbegun(job_ref j, action::kind what) {
  jobs_[j].worker = nothing;
  leave_with(j, what);
}

/// A job that had begun and lost its worker through no fault of its own.
void dispatch::repeat(job_ref j, worker_id w) {
  if (!jobs_[j].at_most_once) return push_front(j);
  jobs_[j].worker = w;
  // Whether it had ended or not, what it did is gone with the process that it was meant for.
  leave_with(j, workers_[w].is_lent ? action::kind::crashed : action::kind::outcome_unknown);
}

// --- cancel ----------------------------------------------------------------------------------------------------------

void dispatch::on_cancel(owner_id owner, std::uint64_t id, time_point now) {
  now_ = now;
  auto j = owners_[index_of(owner)].newest;
  while (j != nothing && jobs_[j].id != id) j = jobs_[j].older;
  if (j == nothing) return;
  if (jobs_[j].where != job_record::place::queued) return cancel_piped(j);
  unlink(j);
  leave_unbegun(j, action::kind::cancelled);
}

void dispatch::cancel_piped(job_ref j) {
  const auto w = jobs_[j].worker;
  const auto sequence = jobs_[j].sequence;
  auto& me = workers_[w];
  // A hole is no harm while another job is there, whose result shows that it was passed.
  const bool may_leave_hole = me.live > 1 || me.span() <= most_span_for_take_back;
  if (may_leave_hole && claims_.try_take_back(w, sequence)) {
    if (is_first(w, sequence)) me.head_since = now_;
    take_out_of_pipe(w, sequence);
    refresh_tail(w);
    return leave_unbegun(j, action::kind::cancelled);
  }
  if (claims_.fate_of(w, sequence) == claim::done) return wish(w, j, action::kind::cancelled);
  end_running(w, j, action::kind::cancelled);
}

/// The worker says that the job is done: then its result is on the way. But user code can write that word too.
void dispatch::wish(worker_id w, job_ref j, action::kind verdict) {
  jobs_[j].wish = static_cast<std::uint8_t>(static_cast<std::uint8_t>(verdict) + 1);
  workers_[w].has_wish = true;
  workers_[w].wish_since = now_;
  look_again(now_ + patience_with_done);
}

void dispatch::grant_wish(worker_id w) {
  auto& me = workers_[w];
  const auto running = running_on(w);
  me.has_wish = running.job != nothing;
  if (running.job == nothing || jobs_[running.job].wish == 0) return;
  const auto due = std::max(me.wish_since, running.since) + patience_with_done;
  if (now_ < due) return look_again(due);
  end_running(w, running.job, static_cast<action::kind>(jobs_[running.job].wish - 1));
}

// --- limits ----------------------------------------------------------------------------------------------------------

void dispatch::on_limit(worker_id w, std::uint64_t sequence, action::kind verdict, time_point now) {
  now_ = now;
  const auto running = running_on(w);
  if (running.job == nothing || running.sequence != sequence) return;
  if (workers_[w].is == worker_record::state::ending) return;
  if (claims_.fate_of(w, sequence) == claim::done) return wish(w, running.job, verdict);
  end_running(w, running.job, verdict);
}

void dispatch::end_late_jobs() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (me.is == worker_record::state::ending || me.is == worker_record::state::empty) continue;
    if (me.has_wish) grant_wish(w);
    if (me.live_timed > 0 && me.is != worker_record::state::ending) end_late(w);
  }
}

void dispatch::end_late(worker_id w) {
  auto& me = workers_[w];
  const auto running = running_on(w);
  const auto timeout = jobs_[running.job].timeout;
  if (timeout.count() == 0) return;  // the next one's time begins with this one's result
  if (now_ < running.since + timeout) return;
  if (claims_.fate_of(w, running.sequence) == claim::done) {
    // Its result may lie before us, unread because we were kept from reading.
    if (me.late != running.job || me.late_since < running.since) me.late = running.job, me.late_since = now_;
    if (now_ < me.late_since + patience_with_done) return look_again(me.late_since + patience_with_done);
  }
  end_running(w, running.job, action::kind::timed_out);
}

void dispatch::look_at_time_limits() {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (me.live_timed == 0 || me.is == worker_record::state::ending || me.is == worker_record::state::empty) continue;
    const auto running = running_on(w);
    const auto timeout = jobs_[running.job].timeout;
    if (timeout.count() > 0 && running.since + timeout > now_) look_again(running.since + timeout);
  }
}

// --- deaths ----------------------------------------------------------------------------------------------------------

/// Restart intensity: a program whose workers die all the time is refused until there were fewer for a while.
void dispatch::note_death(group_id g, const ending& how, time_point now) {
  auto& group = groups_[g];
  auto& deaths = group.deaths;
  deaths.push_back(now);
  group.last_death = how.reason;
  while (!deaths.empty() && deaths.front() + limits_.restart_window <= now) deaths.pop_front();
  if (deaths.size() <= limits_.restart_limit) return;
  // So many that one more would be one too many again.
  while (deaths.size() > limits_.restart_limit) deaths.pop_front();
  set_unfit(g,
            "its workers died " + std::to_string(limits_.restart_limit + 1) + " times within " +
                in_words(limits_.restart_window) + "; the last: " + how.reason,
            deaths.front() + limits_.restart_window);
}

}  // namespace pp::worker
