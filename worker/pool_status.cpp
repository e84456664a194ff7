// What a pool tells about itself.
#include "worker/pool_status.hpp"

#include <algorithm>

#include "worker/pool_impl.hpp"

namespace pp::worker {
namespace {

const char* name_of(worker_record::state state, bool has_job) {
  switch (state) {
    case worker_record::state::ready: return has_job ? "running" : "ready";
    case worker_record::state::ending: return "ending";
    default: return "starting";
  }
}

}  // namespace

worker_status pool::impl::status_of(worker_id w, time_point at) const {
  const auto& record = decide.worker(w);
  const auto running = decide.running_on(w);
  worker_status s;
  s.pid = std::max(workers[w]->pid(), 0);
  s.state = name_of(record.is, running.job != nothing);
  const auto group = record.group == nothing ? nothing : decide.program_of(record.group);
  if (group != nothing && programs[group].what) s.image = programs[group].what->id;
  if (record.is != worker_record::state::ready || running.job == nothing) return s;
  const auto used = watched[w].last(running.sequence);
  s.label = terms_of(running.job).label;
  s.running = std::max(at - running.since, duration{});
  s.memory = used.memory;
  s.cpu = used.cpu;
  return s;
}

program_status pool::impl::status_of_program(group_id g, time_point at) const {
  const auto& record = decide.group(g);
  const auto is_recent = [&](time_point death) { return death + options.restart_window > at; };
  const auto deaths = std::count_if(record.deaths.begin(), record.deaths.end(), is_recent);
  return {programs[g].what->id, record.workers, record.queued, static_cast<unsigned>(deaths), record.unfit_reason};
}

pool_status pool::status() const {
  const auto at = now();
  pool_status all;
  all.resources = impl_->decide.stock().items();
  for (group_id g = 0; g < impl_->programs.size(); ++g) {
    if (impl_->programs[g].what) all.programs.push_back(impl_->status_of_program(g, at));
  }
  for (worker_id w = 0; w < impl_->workers.size(); ++w) {
    if (impl_->workers[w]) all.workers.push_back(impl_->status_of(w, at));
  }
  return all;
}

}  // namespace pp::worker
