// What a session has to do with workers that are checked out, and with resources: who has them, which jobs may have them.
#include "ppserver/session.hpp"

#include <algorithm>

#include "wire/message.hpp"
#include "worker/resources.hpp"

namespace pp::ppserver {
namespace {

/// Jobs for checked-out workers that one client may have here, for each slot; its own limit is half of that.
constexpr std::size_t most_in_place = 64;

}  // namespace

/// False if the client sends more than it may. A job for a checked-out worker needs no credit: that is for what shares slots.
bool session::may_come(const net::message& m, const worker::pool_job& job) {
  if (!job.terms || job.terms->use != wire::place_use::inside) return credit_.on_submit(m.view.size());
  if (in_place_.size() >= most_in_place * std::max(around_.jobs.slots(), 1U)) return false;
  in_place_.insert(job.id);
  return true;
}

std::uint8_t session::credit_for(std::uint64_t job) {
  if (!in_place_.empty() && in_place_.erase(job) > 0) return wire::result_head::no_credit;
  return credit_.on_result(around_.jobs.mean_run_time(owner_));
}

void session::send_resources() {
  const auto& declared = around_.settings.resources;
  if (declared.empty()) return;
  bytes payload;
  wire::encode_declared(declared, payload);
  channel_.send(wire::message_type::resources, 0, 0, payload);
}

/// A job that could never run would be queued here for ever.
void session::check_resources(const worker::pool_job& job) const {
  if (!job.terms || job.terms->resources.empty()) return;
  if (!worker::resource_stock(around_.settings.resources).declares(job.terms->resources))
    throw error(errc::bad_message, "a job that needs " + worker::text_of(job.terms->resources) +
                                       ", which this node does not have (ppserver --resource)");
}

void session::on_check_in(const net::message& m) {
  const auto asked = wire::decode_check_in(m.view);
  if (!asked) throw error(errc::bad_message, "malformed CHECK_IN");
  around_.jobs.check_in(owner_, asked->place);
}

void session::on_lent(unsigned workers) {
  const auto slots = around_.jobs.slots();
  around_.shares.set_slots(slots - std::min(slots, workers));
  if (has_said_all_) return;
  bytes payload;
  wire::encode_lent({static_cast<std::uint16_t>(std::min(workers, 65535U))}, payload);
  channel_.send(wire::message_type::lent, 0, 0, payload);
}

void session::on_lease_over(std::uint64_t place, const std::string& why) {
  if (has_said_all_) return;
  bytes payload;
  wire::encode_check_in({place, why}, payload);
  channel_.send(wire::message_type::check_in, 0, 0, payload);
}

}  // namespace pp::ppserver
