#include "worker/dispatch.hpp"

#include <algorithm>

namespace pp::worker {

// --- owners and groups -----------------------------------------------------------------------------------------------

owner_id dispatch::on_owner_added() {
  const auto index = owners_.add();
  PP_CHECK(index < (1U << generation_bits) - 1);
  auto& o = owners_[index];
  const auto generation = static_cast<std::uint16_t>(o.generation + 1);
  o = {};
  o.generation = generation;
  o.is_used = true;
  return static_cast<owner_id>(generation) << generation_bits | index;
}

std::uint32_t dispatch::index_of(owner_id owner) const {
  const auto index = static_cast<std::uint32_t>(slot_of(owner));
  PP_CHECK(index < owners_.size() && owners_[index].generation == owner >> generation_bits);
  return index;
}

bool dispatch::is_known(owner_id owner) const {
  const auto index = static_cast<std::uint32_t>(slot_of(owner));
  return index < owners_.size() && owners_[index].is_used && !owners_[index].is_gone &&
         owners_[index].generation == owner >> generation_bits;
}

void dispatch::set_weight(owner_id owner, std::uint32_t weight) {
  auto& o = owners_[index_of(owner)];
  o.weight = o.turns_left = std::max(weight, 1U);
}

void dispatch::on_owner_removed(owner_id owner) {
  const auto index = index_of(owner);
  owners_[index].is_gone = true;
  for (auto j = owners_[index].newest; j != nothing;) {
    const auto older = jobs_[j].older;
    drop_job_of_gone_owner(j);
    j = older;
  }
  for (worker_id w = 0; w < workers_.size(); ++w) {
    // What was started or reserved for it is anybody's now.
    if (workers_[w].tail == index && (workers_[w].live == 0 || workers_[w].yields)) set_tail(w, nothing);
  }
  end_leases_of(owner);
  erase_owner_if_done(index);
}

void dispatch::drop_job_of_gone_owner(job_ref j) {
  auto& job = jobs_[j];
  if (job.where == job_record::place::queued) {
    unlink(j);
    leave_with(j, action::kind::dropped);
    return;
  }
  const auto w = job.worker;
  if (take_back(w, job.sequence)) {
    leave_with(j, action::kind::dropped);
  } else if (claims_.fate_of(w, job.sequence) == claim::claimed) {
    kill(w, true);
  } else {
    wish(w, j, action::kind::dropped);
  }
}

void dispatch::erase_owner_if_done(std::uint32_t owner) {
  auto& o = owners_[owner];
  if (!o.is_gone || !o.is_used || o.jobs > 0 || o.tails > 0) return;
  for (const auto s : o.streams) {
    auto& g = groups_[streams_[s].group];
    std::erase(g.streams, s);
    if (g.streams.empty()) g.orphan_since = now_;
    streams_[s] = {};
    streams_.erase(s);
  }
  o.streams.clear();
  o.is_used = false;
  owners_.erase(owner);
}

group_id dispatch::on_group_added() {
  const auto g = groups_.add();
  groups_[g] = {};
  groups_[g].is_used = true;
  groups_[g].orphan_since = now_;
  return g;
}

std::uint32_t dispatch::stream_of(std::uint32_t owner, group_id group) {
  for (const auto s : owners_[owner].streams) {
    if (streams_[s].group == group && !streams_[s].is_special) return s;
  }
  const auto s = streams_.add();
  streams_[s] = {};
  streams_[s].owner = owner;
  streams_[s].group = group;
  owners_[owner].streams.push_back(s);
  groups_[group].streams.push_back(s);
  groups_[group].had_jobs = true;
  return s;
}

// --- jobs ------------------------------------------------------------------------------------------------------------

job_ref dispatch::on_submit(owner_id owner, group_id group, const new_job& what) {
  const auto index = index_of(owner);
  const auto j = jobs_.add();
  auto& job = jobs_[j];
  job = {};
  job.id = what.id;
  job.attempt = what.attempt;
  job.size = what.size;
  job.timeout = what.timeout;
  job.priority = what.priority;
  job.at_most_once = what.at_most_once;
  job.owner = owner;
  job.use = what.use;
  job.of_place = what.place;
  job.needs = what.needs;
  const bool has_place = queue_in_place(j, group);
  auto& o = owners_[index];
  job.older = o.newest;
  if (o.newest != nothing) jobs_[o.newest].newer = j;
  o.newest = j;
  ++o.jobs;
  ++total_jobs_;
  has_place ? push_back(j) : leave_with(j, action::kind::place_gone);
  return j;
}

void dispatch::on_recall(owner_id owner, std::uint64_t id) {
  // From the newest on: what is recalled is what was sent last, so this is a short walk.
  auto j = owners_[index_of(owner)].newest;
  while (j != nothing && jobs_[j].id != id) j = jobs_[j].older;
  if (j == nothing) return;
  if (jobs_[j].where == job_record::place::queued) {
    unlink(j);
    leave_with(j, action::kind::not_started);
  } else if (take_back(jobs_[j].worker, jobs_[j].sequence)) {
    leave_with(j, action::kind::not_started);
  }
}

void dispatch::push_back(job_ref j) {
  auto& job = jobs_[j];
  auto& s = streams_[job.stream];
  job.where = job_record::place::queued;
  auto before = s.last;
  while (before != nothing && jobs_[before].priority < job.priority) before = jobs_[before].previous;
  job.previous = before;
  auto& link = before == nothing ? s.first : jobs_[before].next;
  job.next = link;
  link = j;
  (job.next == nothing ? s.last : jobs_[job.next].previous) = j;
  ++s.queued;
  ++groups_[s.group].queued;
}

void dispatch::push_front(job_ref j) {
  auto& job = jobs_[j];
  note_taken_back(j);
  auto& s = streams_[job.stream];
  job.where = job_record::place::queued;
  auto behind = s.first;
  while (behind != nothing && jobs_[behind].priority > job.priority) behind = jobs_[behind].next;
  job.next = behind;
  auto& link = behind == nothing ? s.last : jobs_[behind].previous;
  job.previous = link;
  link = j;
  (job.previous == nothing ? s.first : jobs_[job.previous].next) = j;
  ++s.queued;
  ++groups_[s.group].queued;
}

void dispatch::unlink(job_ref j) {
  auto& job = jobs_[j];
  auto& s = streams_[job.stream];
  (job.previous == nothing ? s.first : jobs_[job.previous].next) = job.next;
  (job.next == nothing ? s.last : jobs_[job.next].previous) = job.previous;
  --s.queued;
  --groups_[s.group].queued;
}

void dispatch::leave(job_ref j) {
  auto& job = jobs_[j];
  const auto index = index_of(job.owner);
  auto& o = owners_[index];
  (job.newer == nothing ? o.newest : jobs_[job.newer].older) = job.older;
  if (job.older != nothing) jobs_[job.older].newer = job.newer;
  job.where = job_record::place::leaving;
  --o.jobs;
  --total_jobs_;
  erase_owner_if_done(index);
}

void dispatch::leave_with(job_ref j, action::kind what) {
  action a{what};
  a.job = j;
  a.worker = jobs_[j].worker;
  a.owner = jobs_[j].owner;
  leave(j);
  actions_.push_back(a);
}

void dispatch::release(job_ref j) {
  PP_ASSERT(jobs_[j].where == job_record::place::leaving);
  jobs_[j].where = job_record::place::free;
  jobs_.erase(j);
}

// --- numbers ---------------------------------------------------------------------------------------------------------

duration dispatch::mean_run_time(owner_id owner) const {
  const auto& mean = owners_[index_of(owner)].run_time;
  // A job shorter than the clock's tick still is a finished job; zero means that none has finished.
  return mean.is_known() ? std::max(mean.value(), duration(1)) : duration(0);
}

std::vector<owner_id> dispatch::owners() const {
  std::vector<owner_id> all;
  for (std::uint32_t index = 0; index < owners_.size(); ++index) {
    const auto& o = owners_[index];
    if (o.is_used && !o.is_gone) all.push_back(static_cast<owner_id>(o.generation) << generation_bits | index);
  }
  return all;
}

unsigned dispatch::running_workers() const {
  unsigned count = 0;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    count += workers_[w].is != worker_record::state::empty && workers_[w].live > 0 ? 1 : 0;
  }
  return count;
}

unsigned dispatch::running_workers(owner_id owner) const {
  const auto index = index_of(owner);
  unsigned count = 0;
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (me.is != worker_record::state::empty && me.live > 0) count += owner_of_first(w) == index ? 1 : 0;
  }
  return count;
}

}  // namespace pp::worker
