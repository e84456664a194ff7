// How well nodes do with this client's jobs: their speed, jobs that are late, nodes that fail what others do.
//
// The rules are in run_times, quarantine and the scheduler; here they are brought together with time and with links.
// What a result costs here is a few comparisons; for a job that ran long enough to tell something also some additions, and
// if it is of another kind than the one before, a look into a table.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "ppclient/cluster.hpp"

namespace pp::ppclient {
namespace {

constexpr std::size_t copies_at_once = 256;
// A late job is late by 50 ms at least (run_times): looked for often at first, then less, for jobs that take hours.
constexpr duration first_look = std::chrono::milliseconds(10), slowest_look = std::chrono::milliseconds(100);

scheduler::standing standing_of(quarantine::state state) {
  switch (state) {
    case quarantine::state::on_trial: return scheduler::standing::on_trial;
    case quarantine::state::quarantined: return scheduler::standing::quarantined;
    case quarantine::state::good: break;
  }
  return scheduler::standing::good;
}

}  // namespace

// --- results ---------------------------------------------------------------------------------------------------------

std::uint64_t cluster::kind_of(const detail::job_record& record) {
  return run_times::kind_of(record.image, record.decoder, record.function);
}

void cluster::note_result(std::uint32_t node, scheduler::outcome what) {
  if (what == scheduler::outcome::crashed && quarantine_.on_death(node, now())) note_standing(node);
  if (!scheduler_.has_copyable()) return;
  if (last_result_.size() <= node) last_result_.resize(node + 1);
  last_result_[node] = count_ms();
}

void cluster::note_run_time(const detail::job_record& record, std::uint32_t node, std::uint32_t run_us) {
  run_times_.note(kind_of(record), node, run_us);
  if (const unsigned speed = run_times_.news_of(node)) scheduler_.set_speed(node, speed);
}

// Requires: the record still has its image.
void cluster::note_success(const detail::job_record& record, std::uint32_t node, std::uint32_t run_us) {
  // Short ones count only where being late is a question.
  const auto* const how = record.how();
  if (run_us >= run_times::shortest_telling_us || (how != nullptr && how->idempotent))
    note_run_time(record, node, run_us);
  if (quarantine_.on_success(node)) note_standing(node);
  auto blamed = scheduler_.crashed_on(record.slot);
  if (blamed.empty()) return;
  std::sort(blamed.begin(), blamed.end());
  blamed.erase(std::unique(blamed.begin(), blamed.end()), blamed.end());
  for (const auto other : blamed) {
    if (other != node && quarantine_.on_blame(other, now())) note_standing(other);
  }
}

// --- quarantine ------------------------------------------------------------------------------------------------------

// A node that was lost meanwhile has no link and needs no words.
void cluster::note_standing(std::uint32_t node) {
  const auto state = quarantine_.state_of(node);
  scheduler_.set_standing(node, standing_of(state));
  decide_soon();
  if (node != local_node_ && link_of_node_[node] == nullptr) return;
  const std::string& name = *name_of_node(node);
  if (state == quarantine::state::good) {
    log::info("node_trusted_again", {{"node", name}});
  } else {
    log::warn(state == quarantine::state::on_trial ? "node_on_trial" : "node_quarantined",
              {{"node", name}, {"reason", quarantine_.reason(node, now())}});
  }
}

/// What is known of a node outlives its connection: one that fails jobs must not be trusted again because it fell out.
void cluster::remember_standing(const link& from) {
  if (!from.id()) return;
  const auto [known, is_new] = index_of_id_.try_emplace(*from.id(), from.node);
  if (is_new) return;
  quarantine_.inherit(from.node, std::exchange(known->second, from.node));
  if (quarantine_.state_of(from.node) != quarantine::state::good) note_standing(from.node);
}

void cluster::end_quarantines() {
  if (!quarantine_.any()) return;
  for (std::uint32_t node = 0; node < quarantine_.size(); ++node) {
    if (quarantine_.on_time(node, now())) note_standing(node);
  }
}

void cluster::describe_health(node_info& n, std::uint32_t node) const {
  if (node == scheduler::none) return;
  n.speed = run_times_.speed(node);
  if (n.state != "ready" || quarantine_.state_of(node) == quarantine::state::good) return;
  n.state = "quarantined";
  n.reason = quarantine_.reason(node, now());
}

// --- stragglers ------------------------------------------------------------------------------------------------------

void cluster::watch_stragglers() {
  if (is_watching_stragglers_ || !scheduler_.may_copy()) return;
  is_watching_stragglers_ = true;
  tasks_.spawn("stragglers", copy_stragglers());
}

net::awaitable<void> cluster::copy_stragglers() {
  for (duration step = first_look; scheduler_.may_copy() && !is_closing_;
       step = std::min(step + step / 4, slowest_look)) {
    co_await net::sleep_for(step);
    const auto counted = count_ms();
    actions_.clear();
    scheduler_.copy_late([&](std::uint32_t slot) { return lateness(slot, counted); }, actions_, copies_at_once);
    carry_out_all();
  }
  is_watching_stragglers_ = false;
}

// Nobody tells when a job began. One that found a free slot began when it was sent; one that had to wait began when its node
// last told a result at the latest, if it is among the oldest there (which is what the scheduler asks about).
// In microseconds beyond its limit, 0 = not late.
std::uint64_t cluster::lateness(std::uint32_t slot, std::uint32_t counted) const {
  const detail::job_record& record = *record_of(slot);
  const auto limit_us = run_times_.limit_us(kind_of(record));
  if (limit_us == 0) return 0;
  const auto node = scheduler_.node_of(slot);
  std::uint32_t ran_ms = counted - record.when.sent;
  if (scheduler_.had_to_wait(slot) && node < last_result_.size())
    ran_ms = std::min(ran_ms, counted - last_result_[node]);
  const std::uint64_t ran_us = std::uint64_t{ran_ms} * 1000;
  return ran_us > limit_us ? ran_us - limit_us : 0;
}

}  // namespace pp::ppclient
