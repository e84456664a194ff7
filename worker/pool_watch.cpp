// What a pool does about running jobs: it watches what they use, and tells their owners why they were ended.
#include <csignal>
#include <cstdio>

#include "net/deadline.hpp"
#include "worker/pool_impl.hpp"

namespace pp::worker {
namespace {

constexpr auto watch_interval = std::chrono::milliseconds(100);
constexpr auto patience_with_claim = std::chrono::seconds(2);
constexpr int rest_after_look =
    20;  // times what the look took: a tree of thousands must not keep the node from its work

std::string seconds_in_words(std::uint64_t ms) {
  auto text = std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 + 1000).substr(1);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " s";
}

std::string bytes_in_words(std::uint64_t count) {
  char text[32];
  const double mebibytes = static_cast<double>(count) / (1 << 20);
  std::snprintf(text, sizeof text, mebibytes < 10 ? "%.1f MiB" : "%.0f MiB", mebibytes);
  return text;
}

}  // namespace

// --- watching --------------------------------------------------------------------------------------------------------

/// Runs only while there are jobs: an idle pool has no timer.
net::awaitable<void> pool::impl::watch() {
  while (!closing && decide.running_workers() > 0) {
    next_watch.expires_after(watch_interval);
    net::error_code cancelled;
    co_await next_watch.async_wait(net::redirect_error(net::use_awaitable, cancelled));
    if (cancelled || closing) break;
    for (worker_id w = 0; w < workers.size(); ++w) {
      if (workers[w] && decide.worker(w).is == worker_record::state::ready) look_at(w);
    }
  }
  is_watching = false;
}

void pool::impl::look_at(worker_id w) {
  const auto running = decide.running_on(w);
  if (running.job == nothing || workers[w]->pid() <= 0) return;
  workers[w]->note_oom_kills();
  const auto sequence = running.sequence;
  // What a worker uses before it claims the job is not the job's; but it must not pretend for ever.
  if (fate_of(w, sequence) != claim::claimed && now() < running.since + patience_with_claim) return;
  const watchdog::limits limits{memory_limit_of(running.job), std::chrono::milliseconds(terms_of(running.job).cpu_ms)};
  const bool is_worth_it = watched[w].knows(sequence) || terms_of(running.job).memory > 0 || limits.cpu.count() > 0;
  watched[w].note(sequence);
  const auto before = now();
  const auto used = is_worth_it && before >= rest_until[w] ? usage_of_tree(workers[w]->pid()) : std::nullopt;
  rest_until[w] = std::max(rest_until[w], before) + (used ? rest_after_look * (now() - before) : duration());
  if (!used) return;
  const auto verdict = watched[w].look(sequence, *used, limits);
  if (verdict == watchdog::verdict::fine) return;
  const auto what = verdict == watchdog::verdict::memory ? action::kind::memory_limit : action::kind::cpu_limit;
  decide.on_limit(w, sequence, what, now());
  settle();
}

const wire::terms& pool::impl::terms_of(job_ref j) const {
  static const wire::terms none;
  return terms[j] ? *terms[j] : none;
}

/// The tighter of the job's own and the worker's; 0 if there is none.
std::uint64_t pool::impl::memory_limit_of(job_ref j) const {
  const auto own = terms_of(j).memory, common = options.memory_limit;
  if (own == 0 || common == 0) return own + common;
  return std::min(own, common);
}

// --- telling ---------------------------------------------------------------------------------------------------------

/// Of a job that ran on a worker which may live or be gone.
job_facts pool::impl::facts_of(const action& a) const {
  job_facts facts;
  if (a.worker == nothing) return facts;
  const auto sequence = decide.job(a.job).sequence;
  facts.cpu = watched[a.worker].last(sequence).cpu;
  facts.peak_memory = watched[a.worker].peak_memory(sequence);
  if (const auto& worker = workers[a.worker]; worker && a.what != action::kind::crashed) {
    facts.pid = worker->pid();
    if (!terms_of(a.job).drops_output) facts.printed = worker->peek();
  }
  return facts;
}

void pool::impl::count_limit(action::kind what) {
  using kind = action::kind;
  if (what == kind::timed_out || what == kind::cpu_limit) ++numbers.timed_out;
  if (what == kind::memory_limit) ++numbers.memory_limit;
  if (what == kind::cancelled) ++numbers.cancelled;
}

void pool::impl::tell_limit(const action& a) {
  using kind = action::kind;
  const auto& t = terms_of(a.job);
  auto facts = facts_of(a);
  count_limit(a.what);
  switch (a.what) {
    case kind::timed_out:
      return take_away(
          a, ended_result(errc::timed_out,
                          "the job ran longer than its time limit of " + seconds_in_words(t.timeout_ms), facts));
    case kind::cpu_limit:
      return take_away(
          a, ended_result(errc::timed_out, "the job used more CPU time than its limit of " + seconds_in_words(t.cpu_ms),
                          facts));
    case kind::memory_limit:
      return take_away(
          a, ended_result(errc::memory_limit,
                          "the job used " + bytes_in_words(facts.peak_memory) + " of memory, more than its limit of " +
                              bytes_in_words(memory_limit_of(a.job)),
                          facts));
    default:
      return take_away(a, ended_result(errc::cancelled,
                                       a.worker == nothing ? "the job was cancelled before it began"
                                                           : "the job was cancelled while it ran",
                                       facts));
  }
}

void pool::impl::tell_crash(const action& a) {
  ++numbers.jobs_crashed;
  if (closing) return take_away(a, shutdown_result());
  auto& end = ends[a.worker];
  auto facts = facts_of(a);
  facts.pid = end.pid;
  if (facts.peak_memory == 0) facts.peak_memory = end.used.peak_memory;
  // The process's own count has all its jobs in it; of the first one alone it is that job's.
  if (decide.job(a.job).sequence == 0) facts.cpu = end.used.cpu;
  if (!terms_of(a.job).drops_output) facts.printed = end.printed;
  if (end.was_oom) {
    ++numbers.memory_limit;
    return take_away(a, ended_result(errc::memory_limit, "the kernel ended the worker for want of memory", facts));
  }
  take_away(a, crash_result(end, facts));
}

void pool::impl::tell_unknown(const action& a) {
  if (closing) return take_away(a, shutdown_result());
  take_away(a, ended_result(errc::outcome_unknown,
                            "the job had begun when its worker ended, and may run at most once: whether it was done is "
                            "not known",
                            facts_of(a)));
}

}  // namespace pp::worker
