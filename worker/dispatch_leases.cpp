// Workers that are checked out, and jobs that go one to each worker.
//
// A job opens a check-out by being done: its worker becomes a group of its own, so that nothing of anybody else can reach it by
// any of the ways in which jobs are given to workers. It keeps its slot, and counts for its owner's share.
#include <algorithm>

#include "worker/dispatch.hpp"

namespace pp::worker {

using wire::place_use;

namespace {

constexpr std::size_t most_rounds =
    64;  // that a worker remembers; of one owner there is rarely more than one at a time

}  // namespace

// --- jobs ------------------------------------------------------------------------------------------------------------

std::uint32_t dispatch::special_stream_of(std::uint32_t owner, group_id group) {
  for (const auto s : owners_[owner].streams) {
    if (streams_[s].group == group && streams_[s].is_special) return s;
  }
  const auto s = streams_.add();
  streams_[s] = {};
  streams_[s].owner = owner;
  streams_[s].group = group;
  streams_[s].is_special = true;
  owners_[owner].streams.push_back(s);
  groups_[group].streams.push_back(s);
  groups_[group].had_jobs = true;
  return s;
}

/// False if the worker that the job is meant for is not there.
bool dispatch::queue_in_place(job_ref j, group_id group) {
  auto& job = jobs_[j];
  const auto owner = index_of(job.owner);
  const bool is_inside = job.use == place_use::inside;
  if (is_inside) job.needs = nullptr;
  if (job.use == place_use::opens || job.use == place_use::one_each || job.needs != nullptr) {
    job.stream = special_stream_of(owner, group);
    return true;
  }
  const auto* const l = is_inside ? leases_.find(job.owner, job.of_place) : nullptr;
  const bool is_there = l != nullptr && groups_[l->group].base == group;
  job.stream = stream_of(owner, is_there ? l->group : group);
  if (job.use == place_use::none) return true;
  job.priority = 0;         // one after the other, as they came
  job.at_most_once = true;  // what was begun there cannot be repeated anywhere else
  return is_there;
}

void dispatch::note_sent(worker_id w, job_ref j) {
  auto& me = workers_[w];
  const auto& job = jobs_[j];
  if (job.needs != nullptr) stock_.take(*job.needs);
  if (job.use == place_use::opens) me.opens = true;
  if (job.use != place_use::one_each) return;
  if (me.rounds.size() >= most_rounds) me.rounds.erase(me.rounds.begin());
  me.rounds.emplace_back(job.owner, job.of_place);
}

void dispatch::note_taken_back(job_ref j) {
  const auto& job = jobs_[j];
  if (job.use != place_use::one_each || job.worker == nothing) return;
  std::erase(workers_[job.worker].rounds, std::pair(job.owner, job.of_place));
}

bool dispatch::has_done_round(const worker_record& w, const job_record& j) const {
  return std::find(w.rounds.begin(), w.rounds.end(), std::pair(j.owner, j.of_place)) != w.rounds.end();
}

bool dispatch::may_run(const worker_record& w, const job_record& j) const {
  return has_resources(j) && (j.use != place_use::one_each || !has_done_round(w, j));
}

/// The first job of the stream that this worker may run, busy or not.
job_ref dispatch::first_for(const worker_record& w, const stream_record& s) const {
  if (!s.is_special) return s.first;
  auto j = s.first;
  while (j != nothing && !may_run(w, jobs_[j])) j = jobs_[j].next;
  return j;
}

/// True if what is queued there waits for resources, all of it: no worker would help.
bool dispatch::is_short_of_resources(const stream_record& s) const {
  if (!s.is_special || s.queued == 0) return false;
  for (auto j = s.first; j != nothing; j = jobs_[j].next) {
    if (has_resources(jobs_[j])) return false;
  }
  return true;
}

/// True if a job that goes one to each worker has been to all that there are.
bool dispatch::has_stuck_round(group_id g) const {
  const auto& group = groups_[g];
  if (!group.is_used || group.queued == 0 || group.starting > 0 || group.reserved > 0) return false;
  if (!group.unfit_reason.empty()) return false;
  return std::any_of(group.streams.begin(), group.streams.end(), [&](std::uint32_t s) {
    if (!streams_[s].is_special || streams_[s].queued == 0 || is_short_of_resources(streams_[s])) return false;
    for (worker_id w = 0; w < workers_.size(); ++w) {
      if (workers_[w].takes_jobs() && workers_[w].group == g && first_for(workers_[w], streams_[s]) != nothing)
        return false;
    }
    return true;
  });
}

// --- check-outs ------------------------------------------------------------------------------------------------------

/// The job that asked for it is done on `w`.
void dispatch::open_lease(worker_id w, job_ref j) {
  const auto owner = jobs_[j].owner;
  const auto place = jobs_[j].of_place;
  if (!is_known(owner)) return;
  if (!workers_[w].takes_jobs() || workers_[w].live > 0 || leases_.find(owner, place) != nullptr)
    return tell_over(owner, place, w);
  const auto g = groups_.add();
  auto& me = workers_[w];
  groups_[g] = {};
  groups_[g].is_used = true;
  groups_[g].base = me.group;
  groups_[g].serving = groups_[g].ready = 1;
  --groups_[me.group].serving;
  --groups_[me.group].ready;
  me.group = g;
  me.is_lent = true;
  me.window = 2;
  set_tail(w, index_of(owner));
  leases_.add(owner, place, g, w);
}

void dispatch::tell_over(owner_id owner, std::uint64_t place, worker_id w) {
  action a{action::kind::lease_over};
  a.worker = w;
  a.owner = owner;
  a.sequence = place;
  actions_.push_back(a);
}

void dispatch::on_check_in(owner_id owner, std::uint64_t place) {
  if (auto* const l = leases_.find(owner, place)) l->is = lease::state::closing;
}

void dispatch::end_leases_of(owner_id owner) {
  for (auto& l : leases_.all()) {
    if (l.owner == owner && l.is == lease::state::open) l.is = lease::state::closing;
  }
}

/// Its worker has died; what stood in the pipe is told or queued again.
void dispatch::end_lease_of(worker_id w) {
  auto& l = *leases_.of_worker(w);
  auto& me = workers_[w];
  for (const auto s : groups_[l.group].streams) {
    while (streams_[s].first != nothing) {
      const auto j = streams_[s].first;
      unlink(j);
      jobs_[j].worker = w;
      leave_with(j, action::kind::place_gone);
    }
  }
  me.group = groups_[l.group].base;
  me.is_lent = false;
  if (is_known(l.owner)) tell_over(l.owner, l.place, w);
  leases_.end(l);
}

/// Before anything is decided: those that are done with give their workers back.
void dispatch::settle_leases() {
  leases_.sweep([this](group_id g) { forget_lease_group(g); });
  for (auto& l : leases_.all()) {
    if (l.is == lease::state::open && draining_) {
      tell_over(l.owner, l.place, l.worker);
      l.is = lease::state::closing;
    }
    if (l.is == lease::state::closing && workers_[l.worker].is_idle() && groups_[l.group].queued == 0)
      give_back_lease(l);
  }
}

void dispatch::give_back_lease(lease& l) {
  auto& me = workers_[l.worker];
  me.group = groups_[l.group].base;
  me.is_lent = false;
  me.last_used = now_;
  ++groups_[me.group].serving;
  ++groups_[me.group].ready;
  groups_[l.group].serving = groups_[l.group].ready = 0;
  leases_.end(l);
  set_tail(l.worker, nothing);
}

void dispatch::forget_lease_group(group_id g) {
  for (const auto s : groups_[g].streams) {
    std::erase(owners_[streams_[s].owner].streams, s);
    streams_[s] = {};
    streams_.erase(s);
  }
  groups_[g] = {};
  groups_.erase(g);
}

}  // namespace pp::worker
