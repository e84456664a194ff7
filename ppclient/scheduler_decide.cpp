// The scheduler's decisions: which queued job goes where now, what is asked back, what runs twice.
#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

// Above this many nodes that fulfil a constraint the heap of all finds the best one sooner.
constexpr std::size_t few_nodes = 8;
// So many classes may stay listed although nothing of theirs is queued.
constexpr std::size_t few_classes = 8;
// Of jobs that crashed and wait for other nodes: a broken program has a million of them.
constexpr std::size_t most_passed_over = 64;

}  // namespace

// --- the best node ---------------------------------------------------------------------------------------------------

scheduler::node_index scheduler::first_open(const job_kind& what, node_index but, bool only_idle) const {
  if (what.constraint != none && constraints_[what.constraint].nodes.size() <= few_nodes)
    return first_open_of(constraints_[what.constraint], what, but, only_idle);
  return open_.first_of([&](node_index i) { return i != but && is_wanted(i, what) && has_resources(i, what); },
                        only_idle);
}

scheduler::node_index scheduler::first_open_of(const constraint& c, const job_kind& what, node_index but,
                                               bool only_idle) const {
  node_index best = none;
  for (const auto i : c.nodes) {
    const node_entry& n = nodes_[i];
    if (i == but || !has_room(n) || !is_wanted(i, what) || !has_resources(i, what) ||
        (only_idle && n.load() >= n.slots))
      continue;
    if (best == none || n.weighed() < nodes_[best].weighed()) best = i;
  }
  return best;
}

// Smallest share of its slots taken; `avoid` only if nobody else lives that could take it at all.
scheduler::node_index scheduler::least_loaded(const job_kind& what, node_index avoid) const {
  const auto best = first_open(what, avoid, false);
  if (best != none || avoid == none) return best;
  const bool can_take = has_room(nodes_[avoid]) && is_fit(avoid, what) && has_resources(avoid, what);
  return can_take && !has_other_node(what, avoid) ? avoid : none;
}

/// A node on which its worker did not die yet, even if it must be waited for; then any but the last one.
scheduler::node_index scheduler::best_after_crash(job_slot id, const job_kind& what) const {
  const auto& crashed = crashed_on_.at(id);
  const auto is_new = [&](node_index i) {
    return std::find(crashed.begin(), crashed.end(), i) == crashed.end() && is_wanted(i, what);
  };
  const auto best = open_.first_of([&](node_index i) { return is_new(i) && has_resources(i, what); });
  if (best != none) return best;
  const bool may_wait =
      std::any_of(alive_.begin(), alive_.end(), [&](node_index i) { return may_take(nodes_[i]) && is_new(i); });
  return may_wait ? none : least_loaded(what, crashed.back());
}

bool scheduler::has_other_node(const job_kind& what, node_index avoid) const {
  return std::any_of(alive_.begin(), alive_.end(), [&](node_index i) {
    return i != avoid && may_take(nodes_[i]) && nodes_[i].trust == standing::good && is_fit(i, what);
  });
}

// A job that only a node in quarantine can take goes there: better tried than left waiting.
bool scheduler::is_wanted(node_index node, const job_kind& what) const {
  return is_fit(node, what) && (nodes_[node].is_trusted() || !has_other_node(what, node));
}

// --- queues ----------------------------------------------------------------------------------------------------------

void scheduler::send(job_slot id, node_index to, std::vector<action>& out) {
  job_entry& j = jobs_[id];
  remove(classes_[j.kind].queue, id);
  --queued_;
  place(id, to, static_cast<std::uint16_t>(j.attempt + 1));
  out.push_back({action::kind::send, j.attempt, id, to});
}

bool scheduler::decide(std::vector<action>& out, std::size_t limit) {
  const std::size_t end = out.size() + limit;
  if (queued_inside_ > 0) serve_leases(out, end);
  for (std::size_t first = 0; first < active_.size() && queued_ > 0 && !open_.empty() && out.size() < end;)
    first = serve(first, out, end);
  if (queued_ > 0 && out.size() < end) wait_at_full_nodes(out, end);
  if (active_.size() > few_classes) {
    std::erase_if(active_, [&](class_index c) {
      classes_[c].is_active = classes_[c].queue.first != none;
      return !classes_[c].is_active;
    });
  }
  if (out.size() < end && !silent_.empty()) copy_from_silent(out, end);
  // What is still queued can use none of the nodes that idle.
  if (out.size() < end && in_flight_ > 0) recall_for_idle(out, end - out.size());
  return out.size() >= end && queued_ + queued_inside_ > 0;
}

/// The classes with the priority of active_[first], one job of each in turn. Returns where the next priority begins.
std::size_t scheduler::serve(std::size_t first, std::vector<action>& out, std::size_t end) {
  const auto from = active_.begin() + static_cast<std::ptrdiff_t>(first);
  const int priority = classes_[*from].what.priority;
  const auto to =
      std::find_if(from, active_.end(), [&](class_index c) { return classes_[c].what.priority != priority; });
  const auto next = static_cast<std::size_t>(to - active_.begin());
  if (next - first == 1) {
    serve_class(*from, out, end, false);
    return next;
  }
  turn_.assign(from, to);
  std::rotate(turn_.begin(), std::upper_bound(turn_.begin(), turn_.end(), served_last_), turn_.end());
  while (!turn_.empty() && !open_.empty() && out.size() < end) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < turn_.size() && out.size() < end; ++i) {
      if (!serve_class(turn_[i], out, end, true)) continue;
      served_last_ = turn_[kept++] = turn_[i];
    }
    turn_.resize(kept);
  }
  return next;
}

/// True if a job of it was sent.
bool scheduler::serve_class(class_index kind, std::vector<action>& out, std::size_t end, bool only_one) {
  const job_kind& what = classes_[kind].what;
  bool any = false;
  std::size_t passed_over = 0;
  for (auto id = classes_[kind].queue.first; id != none && out.size() < end;) {
    const auto next = jobs_[id].next;
    const auto to = jobs_[id].has_crashed ? best_after_crash(id, what) : least_loaded(what, none);
    if (to != none) {
      send(id, to, out);
      any = true;
      if (only_one) break;
    } else if (!what.has_crashed || ++passed_over >= most_passed_over) {
      break;  // no room for any job of this class; those that crashed wait for different nodes
    }
    id = next;
  }
  return any;
}

// --- recalls ---------------------------------------------------------------------------------------------------------

// Jobs that wait behind others at one node while workers of another idle: the youngest are asked back, as many as idle.
void scheduler::recall_for_idle(std::vector<action>& out, std::size_t limit) {
  if (idle_ <= recalls_) return;
  auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>({idle_ - recalls_, limit, UINT32_MAX}));
  // From the back: a node that is asked for all it has too much leaves the list.
  for (std::size_t at = overfull_.size(); at > 0 && wanted > 0; --at) {
    const auto from = overfull_[at - 1];
    const node_entry& n = nodes_[from];
    wanted -= recall_from(from, std::min(wanted, n.load() - n.slots - n.recalls), out);
    refresh(from);
  }
}

// Without this a job that only its present node can run would be asked back and sent there again for ever.
bool scheduler::may_run_idle(const job_entry& j) const {
  return !j.has_crashed && !j.has_other && !j.is_inside && first_open(classes_[j.kind].what, j.node, true) != none;
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

// --- jobs that may run twice -----------------------------------------------------------------------------------------

void scheduler::copy_from_silent(std::vector<action>& out, std::size_t end) {
  for (std::size_t i = 0; i < silent_.size() && !open_.empty(); ++i) copy_from(silent_[i], out, end);
}

// The new place is where the job is from now on; the old one is a ghost whose answer would still be welcome.
void scheduler::copy_from(node_index silent, std::vector<action>& out, std::size_t end) {
  for (auto id = nodes_[silent].jobs.first; id != none && out.size() < end;) {
    job_entry& j = jobs_[id];
    const auto next = j.next;
    const bool may_run_twice = j.idempotent && !j.has_other;
    const auto to = may_run_twice ? first_open(classes_[j.kind].what, silent, false) : none;
    if (to != none) copy_to(id, to, out);
    id = next;
  }
}

void scheduler::copy_to(job_slot id, node_index to, std::vector<action>& out) {
  job_entry& j = jobs_[id];
  const node_index from = j.node;
  leave_node(id);
  others_[id] = {from, j.attempt};
  j.has_other = j.was_copied = true;
  ++nodes_[from].ghosts;
  refresh(from);
  place(id, to, static_cast<std::uint16_t>(j.attempt + 1));
  ++counters_.copied;
  out.push_back({action::kind::send, j.attempt, id, to});
}

// The first ones of a node's list are those that run there.
void scheduler::copy_late(const std::function<std::uint64_t(job_slot)>& lateness, std::vector<action>& out,
                          std::size_t limit) {
  std::vector<std::pair<std::uint64_t, job_slot>> late;
  for (const auto node : alive_) {
    auto id = nodes_[node].jobs.first;
    for (auto left = nodes_[node].slots; left > 0 && id != none; --left, id = jobs_[id].next) {
      // One whose worker died somewhere already has its rules for where it goes next.
      const bool may_be_copied = jobs_[id].is_copyable() && !jobs_[id].has_crashed;
      if (const auto by = may_be_copied ? lateness(id) : 0) late.emplace_back(by, id);
    }
  }
  // Slots may be fewer than those that are late.
  std::stable_sort(late.begin(), late.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; i < late.size() && i < limit && may_copy(); ++i) {
    const auto id = late[i].second;
    const auto to = first_open(classes_[jobs_[id].kind].what, jobs_[id].node, true);
    if (to != none) copy_to(id, to, out);
  }
}

// --- resources -------------------------------------------------------------------------------------------------------

const std::vector<wire::resource>* scheduler::needs_of(const job_entry& j) const {
  const auto index = classes_[j.kind].what.constraint;
  return index == none || constraints_[index].needs.empty() ? nullptr : &constraints_[index].needs;
}

void scheduler::set_needs(constraint_index index, const std::vector<wire::resource>& needs) {
  constraints_[index].needs = needs;
}

void scheduler::set_resources(node_index node, const std::vector<wire::resource>& declared) {
  nodes_[node].stock = worker::resource_stock(declared);
}

// --- how good a node is ----------------------------------------------------------------------------------------------

void scheduler::set_speed(node_index node, unsigned sixteenths) {
  nodes_[node].speed = sixteenths;
  refresh(node);
}

void scheduler::set_weight(node_index node, unsigned sixteenths) {
  nodes_[node].weight = sixteenths;
  refresh(node);
}

void scheduler::set_standing(node_index node, standing what) {
  nodes_[node].trust = what;
  refresh(node);
}

std::vector<scheduler::node_index> scheduler::crashed_on(job_slot job) const {
  return jobs_[job].has_crashed ? crashed_on_.at(job) : std::vector<node_index>{};
}

// --- jobs that wait for others: in no queue yet ----------------------------------------------------------------------

void scheduler::on_hold(job_slot id) {
  if (id >= jobs_.size()) jobs_.resize(id + 1);
  PP_ASSERT(jobs_[id].state == job_state::finished);
  if (jobs_[id].has_crashed) crashed_on_.erase(id);
  jobs_[id] = job_entry{};
  jobs_[id].state = job_state::held;
  ++held_;
  ++counters_.submitted;
}

void scheduler::drop_held(job_slot id) {
  PP_ASSERT(is_held(id));
  jobs_[id].state = job_state::finished;
  --held_;
  ++counters_.finished;
}

}  // namespace pp::ppclient
