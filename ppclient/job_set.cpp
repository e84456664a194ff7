// The numbers of a set of jobs: watchers add up what is done; whether the others have been sent is looked up when asked.
#include "ppclient/job_set.hpp"

#include <cstdio>

namespace pp {

void job_set::state::on_done(const detail::ending& how) noexcept {
  const std::lock_guard hold(lock);
  entries[how.tag].is_done = true;
  ++done;
  failed += how.has_failed ? 1 : 0;
  serial_time += how.run_time;
  last_end = now();
  changed.notify_all();
}

job_set::job_set() : state_(std::make_shared<state>()) {}

void job_set::add(const detail::job_handle& job) {
  std::size_t tag = 0;
  {
    const std::lock_guard hold(state_->lock);
    tag = state_->entries.size();
    state_->entries.push_back({job.record(), false});
    if (std::find(state_->pools.begin(), state_->pools.end(), job.pool()) == state_->pools.end())
      state_->pools.push_back(job.pool());
  }
  job.watch(state_, tag);
}

// Their records are looked at outside of the lock: there may be many, and the I/O thread needs it for each that is done.
std::size_t job_set::state::add_up(set_status& out) const {
  std::vector<const detail::job_record*> others;
  {
    const std::lock_guard hold(lock);
    out.total = entries.size();
    out.done = done;
    out.failed = failed;
    out.serial_time = serial_time;
    const bool has_ended = done == entries.size() && done > 0;
    out.elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now() - began);
    out.wall_time = has_ended ? std::chrono::duration_cast<std::chrono::microseconds>(last_end - began) : out.elapsed;
    for (const auto& e : entries) {
      if (!e.is_done) others.push_back(e.record);
    }
  }
  const auto is_sent = [](const auto* record) { return record->is_sent.load(std::memory_order_relaxed); };
  return static_cast<std::size_t>(std::ranges::count_if(others, is_sent));
}

set_status job_set::status() const {
  set_status out;
  out.running = state_->add_up(out);
  out.queued = out.total - out.done - out.running;
  if (out.done > 0) {
    const auto rest = static_cast<double>(out.total - out.done) / static_cast<double>(out.done);
    const auto left = static_cast<double>(out.wall_time.count()) * rest;
    out.time_left = std::chrono::microseconds(static_cast<std::int64_t>(left));
  }
  return out;
}

void job_set::wait() const { static_cast<void>(state_->wait(std::nullopt)); }
bool job_set::wait(std::chrono::milliseconds limit) const { return state_->wait(detail::end_of(limit)); }

bool job_set::state::wait(std::optional<time_point> end) {
  std::unique_lock hold(lock);
  const auto is_done = [this] { return done == entries.size(); };
  if (end) return changed.wait_until(hold, *end, is_done);
  changed.wait(hold, is_done);
  return true;
}

namespace {

std::string seconds(std::chrono::microseconds t) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(t.count()) / 1e6);
  return text;
}

}  // namespace

std::string set_status::text() const {
  std::string out = std::to_string(done) + " of " + std::to_string(total) + " done";
  if (failed > 0) out += ", " + std::to_string(failed) + " failed";
  if (!is_done()) out += ", " + std::to_string(running) + " running, " + std::to_string(queued) + " queued";
  out += ", " + seconds(wall_time) + " elapsed";
  char factor[32];
  std::snprintf(factor, sizeof factor, ", speed-up %.1f", speed_up());
  out += factor;
  if (!is_done() && time_left) out += ", " + seconds(*time_left) + " left";
  return out;
}

}  // namespace pp
