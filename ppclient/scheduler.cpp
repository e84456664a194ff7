#include "ppclient/scheduler.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace pp::ppclient {

// --- intrusive lists -------------------------------------------------------------------------------------------------

void scheduler::push_back(list& l, job_slot id) {
  jobs_[id].previous = l.last;
  jobs_[id].next = none;
  (l.last == none ? l.first : jobs_[l.last].next) = id;
  l.last = id;
}

void scheduler::push_front(list& l, job_slot id) {
  jobs_[id].next = l.first;
  jobs_[id].previous = none;
  (l.first == none ? l.last : jobs_[l.first].previous) = id;
  l.first = id;
}

void scheduler::remove(list& l, job_slot id) {
  const job_entry& j = jobs_[id];
  (j.previous == none ? l.first : jobs_[j.previous].next) = j.next;
  (j.next == none ? l.last : jobs_[j.next].previous) = j.previous;
}

std::vector<scheduler::job_slot> scheduler::members(const list& l) const {
  std::vector<job_slot> out;
  for (auto id = l.first; id != none; id = jobs_[id].next) out.push_back(id);
  return out;
}

// --- nodes -----------------------------------------------------------------------------------------------------------

scheduler::node_index scheduler::on_node_ready(unsigned slots) {
  const auto index = static_cast<node_index>(nodes_.size());
  node_entry& n = nodes_.emplace_back();
  n.slots = n.all_slots = slots;
  alive_.push_back(index);
  return index;
}

void scheduler::on_credit(node_index node, std::int32_t change) {
  nodes_[node].credit += change;
  refresh(node);
}

void scheduler::set_slots(node_index node, unsigned slots) {
  nodes_[node].all_slots = slots;
  set_lent(node, nodes_[node].lent);
}

void scheduler::set_paused(node_index node, bool paused, bool silent) {
  nodes_[node].paused = paused;
  if (std::exchange(nodes_[node].silent, silent) != silent) {
    silent ? silent_.push_back(node) : static_cast<void>(std::erase(silent_, node));
  }
  refresh(node);
}

scheduler::constraint_index scheduler::add_constraint() {
  constraints_.emplace_back();
  return static_cast<constraint_index>(constraints_.size() - 1);
}

void scheduler::set_fulfils(node_index node, constraint_index index) {
  constraint& c = constraints_[index];
  if (c.fulfilled.size() <= node) c.fulfilled.resize(node + 1);
  if (c.fulfilled[node]) return;
  c.fulfilled[node] = true;
  c.nodes.push_back(node);
}

void scheduler::on_node_leaving(node_index node) {
  nodes_[node].leaving = true;
  refresh(node);
}

// After any change of a node: what decide() wants to know about all of them without looking at each.
void scheduler::refresh(node_index node) {
  node_entry& n = nodes_[node];
  const bool is_open = has_room(n);
  is_open ? open_.set(node, n.weighed()) : open_.remove(node);
  std::uint32_t idle = is_open && n.slots > n.load() ? n.slots - n.load() : 0;
  if (n.trust != standing::good) idle = idle > 0 && n.is_trusted() ? 1 : 0;
  if (idle != n.idle) idle_ += std::uint64_t{idle} - std::exchange(n.idle, idle);
  const bool is_overfull = n.alive && n.load() > n.slots + n.recalls;
  if (is_overfull != (n.place != none)) set_overfull(node, is_overfull);
}

void scheduler::set_overfull(node_index node, bool is_overfull) {
  node_entry& n = nodes_[node];
  if (is_overfull) {
    n.place = static_cast<std::uint32_t>(overfull_.size());
    overfull_.push_back(node);
    return;
  }
  overfull_[n.place] = overfull_.back();
  nodes_[overfull_[n.place]].place = n.place;
  overfull_.pop_back();
  n.place = none;
}

void scheduler::on_node_lost(node_index node, std::vector<job_slot>& unknown) {
  auto& n = nodes_[node];
  if (!n.alive) return;
  n.alive = false;
  alive_.erase(std::find(alive_.begin(), alive_.end(), node));
  std::erase(silent_, node);
  for (auto& c : constraints_) std::erase(c.nodes, node);
  std::erase_if(others_, [&](const auto& other) {
    if (other.second.node != node) return false;
    jobs_[other.first].has_other = false;
    return true;
  });
  n.ghosts = 0;
  requeue_all(node, unknown);
  recalls_ -= n.recalls;
  n.recalls = 0;
  refresh(node);
}

void scheduler::on_unfit(node_index node, image_index image) {
  auto& unfit = nodes_[node].unfit;
  if (std::find(unfit.begin(), unfit.end(), image) == unfit.end()) unfit.push_back(image);
}

// From the youngest to the oldest, so that the oldest ends up first in the queue.
void scheduler::requeue_all(node_index node, std::vector<job_slot>& unknown) {
  for (auto id = nodes_[node].jobs.last; id != none;) {
    const auto previous = jobs_[id].previous;
    leave_node(id);
    if (jobs_[id].has_other) {
      promote_other(id);
    } else if (jobs_[id].at_most_once) {
      jobs_[id].state = job_state::finished;
      ++counters_.finished;
      unknown.push_back(id);
    } else {
      queue_front(id);
      ++counters_.rescheduled;
    }
    id = previous;
  }
}

bool scheduler::is_fit(node_index node, const job_kind& what) const {
  if (what.constraint != none) {
    const auto& fulfilled = constraints_[what.constraint].fulfilled;
    if (node >= fulfilled.size() || !fulfilled[node]) return false;
  }
  const auto& unfit = nodes_[node].unfit;
  return unfit.empty() || std::find(unfit.begin(), unfit.end(), what.image) == unfit.end();
}

bool scheduler::has_node_for(class_index kind) const {
  return std::any_of(alive_.begin(), alive_.end(), [&](node_index i) {
    return nodes_[i].all_slots > 0 && !nodes_[i].leaving && is_fit(i, classes_[kind].what);
  });
}

std::size_t scheduler::slots() const {
  std::size_t sum = 0;
  for (const auto i : alive_) sum += nodes_[i].leaving ? 0 : nodes_[i].slots;
  return sum;
}

// --- jobs ------------------------------------------------------------------------------------------------------------

scheduler::class_index scheduler::class_for(const job_kind& what) {
  const bool is_plain = what.priority == 0 && what.constraint == none && !what.has_crashed && !what.opens;
  if (is_plain && what.image >= plain_.size()) plain_.resize(what.image + 1, none);
  class_index& known = is_plain ? plain_[what.image] : class_of_.try_emplace(what, none).first->second;
  if (known == none) {
    known = static_cast<class_index>(classes_.size());
    classes_.push_back({what, {}, false});
  }
  return known;
}

void scheduler::activate(class_index kind) {
  if (std::exchange(classes_[kind].is_active, true)) return;
  const auto comes_before = [&](class_index a, class_index b) {
    const int first = classes_[a].what.priority, second = classes_[b].what.priority;
    return first != second ? first > second : a < b;
  };
  active_.insert(std::upper_bound(active_.begin(), active_.end(), kind, comes_before), kind);
}

void scheduler::on_submit(job_slot id, const job_kind& kind, const job_rules& rules) {
  if (id >= jobs_.size()) jobs_.resize(id + 1);  // grows as a vector does, and touches no page before its time
  job_entry& j = jobs_[id];
  const bool was_held = j.state == job_state::held;  // then it was counted
  PP_ASSERT(was_held || j.state == job_state::finished);
  if (j.has_crashed) crashed_on_.erase(id);
  j = job_entry{};
  j.kind = class_for(kind);
  j.most_starts = static_cast<std::uint16_t>(rules.attempts != 0 ? rules.attempts : attempts_);
  j.at_most_once = rules.at_most_once;
  j.idempotent = rules.idempotent;
  j.state = job_state::queued;
  push_back(classes_[j.kind].queue, id);
  activate(j.kind);
  ++queued_;
  if (was_held) {
    --held_;
  } else {
    ++counters_.submitted;
  }
}

void scheduler::queue_front(job_slot id) {
  job_entry& j = jobs_[id];
  j.state = job_state::queued;
  push_front(classes_[j.kind].queue, id);
  activate(j.kind);
  ++queued_;
}

void scheduler::place(job_slot id, node_index to, std::uint16_t attempt) {
  job_entry& j = jobs_[id];
  j.state = job_state::in_flight;
  j.node = to;
  j.attempt = attempt;
  j.had_to_wait = nodes_[to].load() >= nodes_[to].slots;
  if (const auto* const needs = needs_of(j)) nodes_[to].stock.take(*needs);
  push_back(nodes_[to].jobs, id);
  ++nodes_[to].in_flight;
  ++in_flight_;
  copyable_ += j.is_copyable();
  refresh(to);
}

void scheduler::leave_node(job_slot id) {
  job_entry& j = jobs_[id];
  if (j.is_inside) return leave_inside(id);
  node_entry& n = nodes_[j.node];
  if (const auto* const needs = needs_of(j)) n.stock.give_back(*needs);
  remove(n.jobs, id);
  --n.in_flight;
  --in_flight_;
  copyable_ -= j.is_copyable();
  j.is_recalled = false;
  if (j.is_coming_back) {
    j.is_coming_back = false;
    --n.recalls;
    --recalls_;
  }
  refresh(j.node);
  j.node = none;
}

void scheduler::settle_recalls(node_index node) {
  node_entry& n = nodes_[node];
  for (auto id = n.jobs.first; id != none && n.recalls > 0; id = jobs_[id].next) {
    if (!jobs_[id].is_coming_back) continue;
    jobs_[id].is_coming_back = false;
    --n.recalls;
    --recalls_;
  }
  refresh(node);
}

// --- results ---------------------------------------------------------------------------------------------------------

bool scheduler::is_here(const job_entry& j, node_index node, std::uint16_t attempt, outcome what) const {
  if (j.state != job_state::in_flight || j.node != node) return false;
  return j.attempt == attempt || (attempt == 0 && what == outcome::not_started);
}

scheduler::verdict scheduler::on_result(job_slot id, node_index from, std::uint16_t attempt, outcome what,
                                        unsigned credit) {
  if (id >= jobs_.size() || !is_here(jobs_[id], from, attempt, what)) {
    on_stray_result(from, credit);
    return id < jobs_.size() && jobs_[id].has_other ? on_result_of_other(id, from, attempt, what)
                                                    : (++counters_.stale, verdict::stale);
  }
  if (jobs_[id].is_inside) return on_result_inside(id, what);
  // Credit: the job that left is one place; returning 0 or 2 shrinks or widens the window.
  if (credit != no_credit) nodes_[from].credit += static_cast<std::int64_t>(credit) - 1;
  job_entry& j = jobs_[id];
  const bool was_recalled = j.is_recalled;
  leave_node(id);
  if (what == outcome::not_started) {
    ++(was_recalled ? counters_.recalled : counters_.rescheduled);
    return give_up_place(id);
  }
  if (what == outcome::crashed && ++j.crashes < j.most_starts && !j.at_most_once) {
    ++counters_.retried;
    crashed_on_[id].push_back(from);
    j.has_crashed = true;
    auto kind = classes_[j.kind].what;
    kind.has_crashed = true;
    j.kind = class_for(kind);
    return give_up_place(id);
  }
  if (j.has_other) forget_other(id);
  j.state = job_state::finished;
  ++counters_.finished;
  return verdict::deliver;
}

void scheduler::on_stray_result(node_index node, unsigned credit) {
  if (credit == no_credit) return;
  node_entry& n = nodes_[node];
  n.credit += static_cast<std::int64_t>(credit) - 1;
  if (n.ghosts > 0) --n.ghosts;
  refresh(node);
}

// Its present place is gone without a result.
scheduler::verdict scheduler::give_up_place(job_slot id) {
  jobs_[id].has_other ? promote_other(id) : queue_front(id);
  return verdict::again;
}

// --- two places ------------------------------------------------------------------------------------------------------

// The ghost's place is free already (on_stray_result).
scheduler::verdict scheduler::on_result_of_other(job_slot id, node_index from, std::uint16_t attempt, outcome what) {
  const other_place other = others_.at(id);
  const bool is_meant = other.attempt == attempt || (attempt == 0 && what == outcome::not_started);
  if (other.node != from || !is_meant) {
    ++counters_.stale;
    return verdict::stale;
  }
  others_.erase(id);
  jobs_[id].has_other = false;
  if (what == outcome::crashed) ++jobs_[id].crashes;
  if (what != outcome::done) return verdict::again;
  leave_ghost(id);
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
  return verdict::deliver;
}

// The first place is all that is left.
void scheduler::promote_other(job_slot id) {
  const other_place other = others_.at(id);
  others_.erase(id);
  jobs_[id].has_other = false;
  --nodes_[other.node].ghosts;
  place(id, other.node, other.attempt);
}

void scheduler::forget_other(job_slot id) {
  const other_place other = others_.at(id);
  others_.erase(id);
  jobs_[id].has_other = false;
  cancels_.push_back({action::kind::cancel, other.attempt, id, other.node});
}

// --- the end of a job that its nodes do not decide -------------------------------------------------------------------

// Its place stays taken until the node has answered, else more jobs would be sent than the node allowed.
void scheduler::leave_ghost(job_slot id) {
  const node_index node = jobs_[id].node;
  cancels_.push_back({action::kind::cancel, jobs_[id].attempt, id, node});
  const bool is_inside = jobs_[id].is_inside;
  leave_node(id);
  if (is_inside) return;
  ++nodes_[node].ghosts;
  refresh(node);
}

void scheduler::cancel(job_slot id) {
  if (is_queued(id)) return withdraw(id);
  PP_ASSERT(is_in_flight(id));
  if (jobs_[id].has_other) forget_other(id);
  leave_ghost(id);
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
}

void scheduler::take_cancels(std::vector<action>& out) {
  out.insert(out.end(), cancels_.begin(), cancels_.end());
  cancels_.clear();
}

void scheduler::withdraw(job_slot id) {
  PP_ASSERT(is_queued(id));
  if (jobs_[id].is_inside) return withdraw_inside(id);
  remove(classes_[jobs_[id].kind].queue, id);
  --queued_;
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
}

}  // namespace pp::ppclient
