// The scheduler's part in check-outs: workers that are one client's alone, and the jobs for them.
#include <algorithm>

#include "base/check.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

/// Jobs for one checked-out worker that its node has at once: enough that it never waits for the next one.
constexpr std::uint32_t most_inside = 32;

}  // namespace

void scheduler::set_lent(node_index node, unsigned workers) {
  node_entry& n = nodes_[node];
  n.lent = workers;
  n.slots = n.all_slots - std::min(n.all_slots, n.lent);
  refresh(node);
}

scheduler::lease_index scheduler::on_lease_open(node_index node) {
  if (free_leases_.empty()) {
    free_leases_.push_back(static_cast<lease_index>(leases_.size()));
    leases_.emplace_back();
  }
  const auto index = free_leases_.back();
  free_leases_.pop_back();
  leases_[index] = {};
  leases_[index].node = node;
  return index;
}

void scheduler::on_lease_over(lease_index lease, std::vector<job_slot>& queued) {
  lease_entry& l = leases_[lease];
  const auto waiting = members(l.queue);
  for (const auto id : waiting) withdraw(id);
  queued.insert(queued.end(), waiting.begin(), waiting.end());
  l.is_over = true;
  free_lease(lease);
}

void scheduler::free_lease(lease_index lease) {
  if (leases_[lease].is_over && leases_[lease].in_flight == 0) free_leases_.push_back(lease);
}

bool scheduler::has_jobs(lease_index lease) const {
  return leases_[lease].queue.first != none || leases_[lease].in_flight > 0;
}

void scheduler::on_submit_inside(job_slot id, lease_index lease) {
  if (id >= jobs_.size()) jobs_.resize(id + 1);
  job_entry& j = jobs_[id];
  PP_ASSERT(j.state == job_state::finished && !leases_[lease].is_over);
  if (j.has_crashed) crashed_on_.erase(id);
  j = job_entry{};
  j.kind = lease;
  j.is_inside = j.at_most_once = true;
  j.most_starts = 1;
  j.state = job_state::queued;
  push_back(leases_[lease].queue, id);
  ++queued_inside_;
  ++counters_.submitted;
}

void scheduler::withdraw_inside(job_slot id) {
  remove(leases_[jobs_[id].kind].queue, id);
  --queued_inside_;
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
}

// --- decisions -------------------------------------------------------------------------------------------------------

void scheduler::serve_leases(std::vector<action>& out, std::size_t end) {
  for (auto& l : leases_) {
    if (l.queue.first != none && !nodes_[l.node].paused) serve_lease(l, out, end);
  }
}

void scheduler::serve_lease(lease_entry& l, std::vector<action>& out, std::size_t end) {
  while (l.queue.first != none && l.in_flight < most_inside && out.size() < end) {
    const auto id = l.queue.first;
    job_entry& j = jobs_[id];
    remove(l.queue, id);
    --queued_inside_;
    j.state = job_state::in_flight;
    j.node = l.node;
    j.attempt = 1;
    push_back(nodes_[l.node].jobs, id);
    ++nodes_[l.node].inside;
    ++in_flight_;
    ++l.in_flight;
    out.push_back({action::kind::send, j.attempt, id, l.node});
  }
}

/// Where all workers are checked out one job that asks for the next may wait, so that its client is in the queue there.
void scheduler::wait_at_full_nodes(std::vector<action>& out, std::size_t end) {
  for (std::size_t i = 0; i < active_.size(); ++i) {
    const job_class& c = classes_[active_[i]];
    while (c.what.opens && c.queue.first != none && out.size() < end) {
      const auto to = full_node(c.what);
      if (to == none) break;
      send(c.queue.first, to, out);
    }
  }
}

scheduler::node_index scheduler::full_node(const job_kind& what) const {
  const auto found = std::find_if(alive_.begin(), alive_.end(), [&](node_index i) {
    const node_entry& n = nodes_[i];
    const bool is_full = n.all_slots > 0 && n.slots == 0 && n.load() == 0 && n.credit > 0;
    return is_full && !n.paused && !n.leaving && is_fit(i, what);
  });
  return found == alive_.end() ? none : *found;
}

// --- results ---------------------------------------------------------------------------------------------------------

void scheduler::leave_inside(job_slot id) {
  job_entry& j = jobs_[id];
  remove(nodes_[j.node].jobs, id);
  --nodes_[j.node].inside;
  --in_flight_;
  j.node = none;
  --leases_[j.kind].in_flight;
  free_lease(j.kind);
}

/// Whatever it is, it is the end: nothing of it can be had again elsewhere.
scheduler::verdict scheduler::on_result_inside(job_slot id, outcome what) {
  leave_inside(id);
  if (what == outcome::crashed) ++jobs_[id].crashes;
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
  return verdict::deliver;
}

}  // namespace pp::ppclient
