// The cluster's part in check-outs: workers that are this client's alone, from the job that opens one to the day it is lost.
#include <algorithm>

#include "base/log.hpp"
#include "ppclient/cluster.hpp"

namespace pp::ppclient {

// --- links -----------------------------------------------------------------------------------------------------------

void link::check_in(std::uint64_t name) {
  bytes payload;
  wire::encode_check_in({name, {}}, payload);
  channel_->send_behind(wire::message_type::check_in, 0, 0, payload);
}

void link::on_lent(const net::message& m) {
  const auto l = wire::decode_lent(m.view);
  if (!l) throw error(errc::bad_message, "malformed LENT");
  owner_.on_link_lent(*this, l->workers);
}

void link::on_check_in(const net::message& m) {
  const auto c = wire::decode_check_in(m.view);
  if (!c) throw error(errc::bad_message, "malformed CHECK_IN");
  owner_.on_link_lease_over(*this, c->place, c->why);
}

void cluster::on_link_lent(link& from, unsigned workers) {
  if (from.node == scheduler::none) return;
  scheduler_.set_lent(from.node, workers);
  count_slots();
  decide_soon();
}

void cluster::on_link_lease_over(link& from, std::uint64_t name, const std::string& why) {
  if (from.node != scheduler::none) lose_lease_of(from.node, name, why);
}

void cluster::on_local_lent(unsigned workers) {
  scheduler_.set_lent(local_node_, workers);
  count_slots();
  decide_soon();
}

void cluster::on_local_lease_over(std::uint64_t name, const std::string& why) { lose_lease_of(local_node_, name, why); }

void cluster::tell_check_in(std::uint32_t node, std::uint64_t name) {
  if (node == local_node_) {
    local_->check_in(name);
  } else if (link* const l = link_of_node_[node]) {
    l->check_in(name);
  }
}

// --- life ------------------------------------------------------------------------------------------------------------

void cluster::open_lease(const detail::job_record& record, std::uint32_t node) {
  const auto& worker = record.how()->place.worker;
  worker->node = node;
  worker->lease = scheduler_.on_lease_open(node);
  worker->is_open = true;
  held_[worker->name] = worker;
}

void cluster::check_in(const checkout& worker) {
  on_submitted();  // what was submitted before this was called comes before it
  worker->is_open = false;
  worker->is_closing = true;
  give_back_if_done(worker);
}

void cluster::give_back_if_done(const checkout& worker) {
  if (!worker->is_closing || worker->lease == scheduler::none || scheduler_.has_jobs(worker->lease)) return;
  tell_check_in(worker->node, worker->name);
  std::vector<scheduler::job_slot> none_left;
  scheduler_.on_lease_over(worker->lease, none_left);
  worker->lease = scheduler::none;
  held_.erase(worker->name);
}

void cluster::lose_lease(const checkout& worker, errc why, const std::string& reason) {
  worker->is_open = false;
  worker->why = why;
  worker->reason = reason;
  std::vector<scheduler::job_slot> queued;
  scheduler_.on_lease_over(worker->lease, queued);
  worker->lease = scheduler::none;
  held_.erase(worker->name);
  for (const auto slot : queued) fail_lost(slot, *worker);
}

void cluster::lose_lease_of(std::uint32_t node, std::uint64_t name, const std::string& why) {
  const auto found = held_.find(name);
  if (found == held_.end() || found->second->node != node) return;
  const checkout worker = found->second;
  const bool is_leaving = node != local_node_ && link_of_node_[node]->state() == link_state::draining;
  log::info("checkout_lost", {{"node", *name_of_node(node)}, {"reason", why}});
  lose_lease(worker, is_leaving ? errc::shutting_down : errc::worker_crashed,
             why + " (node " + *name_of_node(node) + ")");
  decide_soon();
}

void cluster::lose_leases_of(const link& from, std::uint32_t node) {
  std::vector<checkout> lost;
  for (const auto& [name, worker] : held_) {
    if (worker->node == node) lost.push_back(worker);
  }
  for (const auto& worker : lost)
    lose_lease(worker, errc::disconnected, "node " + from.name() + " was lost (" + from.reason() + ")");
}

// --- jobs ------------------------------------------------------------------------------------------------------------

void cluster::enqueue_inside(const detail::job_record& record) {
  auto& worker = *record.how()->place.worker;
  if (worker.lease != scheduler::none && !worker.is_closing)
    return scheduler_.on_submit_inside(record.slot, worker.lease);
  scheduler_.on_submit(record.slot, record.image);
  fail_lost(record.slot, worker);
}

void cluster::fail_lost(std::uint32_t slot, const detail::checkout_state& worker) {
  const bool is_lost = !worker.reason.empty();
  const std::string why = is_lost ? "the worker that was checked out is lost: " + worker.reason +
                                        "; check out another one and begin anew what was to be done there"
                                  : "the worker was checked in before this job was submitted: check one out again";
  job_report& about = record_of(slot)->more().report();
  about.message = why;
  about.starts = 0;
  fail(slot, is_lost ? worker.why : errc::closed, why);
}

std::vector<std::pair<std::string, std::string>> cluster::ready_workers(const placement& asked) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& one : ready_places(asked)) {
    const link* const l = find_link(one.second);
    const auto node = l != nullptr ? l->node : local_node_;
    out.insert(out.end(), scheduler_.slots(node), one);
  }
  return out;
}

}  // namespace pp::ppclient
