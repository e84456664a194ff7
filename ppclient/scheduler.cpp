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

// --- nodes -----------------------------------------------------------------------------------------------------------

scheduler::node_index scheduler::on_node_ready(unsigned slots) {
  const auto index = static_cast<node_index>(nodes_.size());
  nodes_.emplace_back().slots = slots;
  alive_.push_back(index);
  return index;
}

void scheduler::on_credit(node_index node, std::int32_t change) {
  nodes_[node].credit += change;
  refresh(node);
}

void scheduler::set_slots(node_index node, unsigned slots) {
  nodes_[node].slots = slots;
  refresh(node);
}

void scheduler::set_paused(node_index node, bool paused) {
  nodes_[node].paused = paused;
  refresh(node);
}

void scheduler::on_node_leaving(node_index node) {
  nodes_[node].leaving = true;
  refresh(node);
}

// After any change of a node: what decide() wants to know about all of them without looking at each.
void scheduler::refresh(node_index node) {
  node_entry& n = nodes_[node];
  const bool is_open = may_take(n) && n.in_flight < n.credit;
  is_open ? open_.set(node, n.in_flight, n.slots) : open_.remove(node);
  const std::uint32_t idle = is_open && n.slots > n.in_flight ? n.slots - n.in_flight : 0;
  if (idle != n.idle) idle_ += std::uint64_t{idle} - std::exchange(n.idle, idle);
  const bool is_overfull = n.alive && n.in_flight > n.slots + n.recalls;
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

void scheduler::on_node_lost(node_index node) {
  auto& n = nodes_[node];
  if (!n.alive) return;
  n.alive = false;
  alive_.erase(std::find(alive_.begin(), alive_.end(), node));
  requeue_all(node, false, 0);
  recalls_ -= n.recalls;
  n.recalls = 0;
  refresh(node);
}

void scheduler::on_unfit(node_index node, image_index image) {
  auto& n = nodes_[node];
  if (!n.alive || !is_fit(n, image)) return;
  n.unfit.push_back(image);
  requeue_all(node, true, image);
}

// From the youngest to the oldest, so that the oldest ends up first in the queue.
void scheduler::requeue_all(node_index node, bool only_image, image_index image) {
  for (auto id = nodes_[node].jobs.last; id != none;) {
    const auto previous = jobs_[id].previous;
    if (!only_image || jobs_[id].image == image) {
      leave_node(id);
      queue_front(id);
      ++counters_.rescheduled;
    }
    id = previous;
  }
}

bool scheduler::is_fit(const node_entry& n, image_index image) const {
  return std::find(n.unfit.begin(), n.unfit.end(), image) == n.unfit.end();
}

bool scheduler::has_node_for(image_index image) const {
  return std::any_of(alive_.begin(), alive_.end(), [&](node_index i) {
    return nodes_[i].slots > 0 && !nodes_[i].leaving && is_fit(nodes_[i], image);
  });
}

std::size_t scheduler::slots() const {
  std::size_t sum = 0;
  for (const auto i : alive_) sum += nodes_[i].leaving ? 0 : nodes_[i].slots;
  return sum;
}

// --- jobs ------------------------------------------------------------------------------------------------------------

void scheduler::on_submit(job_slot id, image_index image) {
  if (id >= jobs_.size()) jobs_.resize(id + 1);  // grows as a vector does, and touches no page before its time
  PP_ASSERT(jobs_[id].state == job_state::finished);
  if (image >= queues_.size()) queues_.resize(image + 1);
  jobs_[id] = job_entry{};
  jobs_[id].image = image;
  jobs_[id].state = job_state::queued;
  push_back(queues_[image], id);
  ++queued_;
  ++counters_.submitted;
}

void scheduler::queue_front(job_slot id) {
  jobs_[id].state = job_state::queued;
  push_front(queues_[jobs_[id].image], id);
  ++queued_;
}

void scheduler::leave_node(job_slot id) {
  job_entry& j = jobs_[id];
  node_entry& n = nodes_[j.node];
  remove(n.jobs, id);
  --n.in_flight;
  --in_flight_;
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

scheduler::verdict scheduler::on_result(job_slot id, node_index from, std::uint16_t attempt, outcome what,
                                        unsigned credit) {
  // Credit: the job that left is one place; returning 0 or 2 shrinks or widens the window.
  nodes_[from].credit += static_cast<std::int64_t>(credit) - 1;
  if (!is_in_flight(id) || jobs_[id].node != from || jobs_[id].attempt != attempt) {
    ++counters_.stale;
    refresh(from);
    return verdict::stale;
  }
  leave_node(id);
  job_entry& j = jobs_[id];
  if (what == outcome::not_started) {
    queue_front(id);
    ++counters_.recalled;
    return verdict::again;
  }
  if (what == outcome::crashed && ++j.crashes < attempts_) {
    j.avoid = from;
    queue_front(id);
    ++counters_.retried;
    return verdict::again;
  }
  j.state = job_state::finished;
  ++counters_.finished;
  return verdict::deliver;
}

void scheduler::withdraw(job_slot id) {
  PP_ASSERT(is_queued(id));
  remove(queues_[jobs_[id].image], id);
  --queued_;
  jobs_[id].state = job_state::finished;
  ++counters_.finished;
}

std::vector<scheduler::job_slot> scheduler::queued_jobs(image_index image) const {
  std::vector<job_slot> out;
  for (auto id = queues_[image].first; id != none; id = jobs_[id].next) out.push_back(id);
  return out;
}

// --- decisions -------------------------------------------------------------------------------------------------------

// Smallest share of its slots taken; `avoid` only if nobody else lives that could take it at all.
scheduler::node_index scheduler::least_loaded(image_index image, node_index avoid) const {
  const auto best =
      open_.first_of([&](node_index i) { return i != avoid && (nodes_[i].unfit.empty() || is_fit(nodes_[i], image)); });
  if (best != none || avoid == none) return best;
  const node_entry& n = nodes_[avoid];
  const bool can_take = may_take(n) && n.in_flight < n.credit && is_fit(n, image);
  return can_take && !has_other_node(image, avoid) ? avoid : none;
}

bool scheduler::has_other_node(image_index image, node_index avoid) const {
  return std::any_of(alive_.begin(), alive_.end(),
                     [&](node_index i) { return i != avoid && may_take(nodes_[i]) && is_fit(nodes_[i], image); });
}

void scheduler::send(job_slot id, node_index to, std::vector<action>& out) {
  job_entry& j = jobs_[id];
  remove(queues_[j.image], id);
  --queued_;
  j.state = job_state::in_flight;
  j.node = to;
  ++j.attempt;
  push_back(nodes_[to].jobs, id);
  ++nodes_[to].in_flight;
  ++in_flight_;
  refresh(to);
  out.push_back({action::kind::send, j.attempt, id, to});
}

bool scheduler::decide(std::vector<action>& out, std::size_t limit) {
  const std::size_t end = out.size() + limit;
  for (auto& queue : queues_) {
    for (auto id = queue.first; id != none && out.size() < end;) {
      const auto next = jobs_[id].next;
      const auto to = least_loaded(jobs_[id].image, jobs_[id].avoid);
      if (to != none) {
        send(id, to, out);
      } else if (jobs_[id].avoid == none) {
        break;  // no room for any job of this image; one that avoids a node must not block those behind it
      }
      id = next;
    }
  }
  if (queued_ == 0 && in_flight_ > 0) recall_for_idle(out, end > out.size() ? end - out.size() : 0);
  return out.size() >= end && queued_ > 0;
}

// Jobs that wait behind others at one node while workers of another idle: the youngest are asked back, as many as idle.
void scheduler::recall_for_idle(std::vector<action>& out, std::size_t limit) {
  if (idle_ <= recalls_) return;
  auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>({idle_ - recalls_, limit, UINT32_MAX}));
  // From the back: a node that is asked for all it has too much leaves the list.
  for (std::size_t at = overfull_.size(); at > 0 && wanted > 0; --at) {
    const auto from = overfull_[at - 1];
    const node_entry& n = nodes_[from];
    wanted -= recall_from(from, std::min(wanted, n.in_flight - n.slots - n.recalls), out);
    refresh(from);
  }
}

// Without this a job that only its present node can run would be asked back and sent there again for ever.
bool scheduler::may_run_idle(const job_entry& j) const {
  return j.avoid == none &&
         open_.first_of([&](node_index i) { return i != j.node && is_fit(nodes_[i], j.image); }, true) != none;
}

std::uint32_t scheduler::recall_from(node_index from, std::uint32_t wanted, std::vector<action>& out) {
  std::uint32_t done = 0;
  for (auto id = nodes_[from].jobs.last; id != none && done < wanted; id = jobs_[id].previous) {
    job_entry& j = jobs_[id];
    if (j.is_recalled || !may_run_idle(j)) continue;
    j.is_recalled = j.is_coming_back = true;
    ++nodes_[from].recalls;
    ++recalls_;
    ++done;
    out.push_back({action::kind::recall, j.attempt, id, from});
  }
  return done;
}

}  // namespace pp::ppclient
