// What becomes of jobs that fail: cancelled, given up, lost with their node; and what is kept to tell about it.
//
// Nothing of it costs anything for jobs that do well but two stamps of milliseconds (job_record::stamps).
#include <algorithm>

#include "ppclient/cluster.hpp"

namespace pp::ppclient {
namespace {

constexpr std::size_t first_attempts = 16;
constexpr std::size_t most_named_at_once = 1000;  // names cost: a million jobs may be cancelled in one go
constexpr std::size_t stderr_tail = 4096;

std::string in_words(const wire::failure& f) {
  if (!f.what.empty()) return f.type.empty() ? f.what : f.type + ": " + f.what;
  if (f.signal != 0) return "the worker was killed by signal " + std::to_string(f.signal);
  return "the worker ended with exit status " + std::to_string(f.exit_status);
}

// The first ones and the last: a job may have a thousand.
void add(std::vector<job_attempt>& to, job_attempt one) {
  if (to.size() > first_attempts) to.pop_back();
  to.push_back(std::move(one));
}

}  // namespace

// --- times -----------------------------------------------------------------------------------------------------------

std::uint32_t cluster::count_ms() const {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now() - began_).count());
}

// What was counted may have begun again at 0 meanwhile (after 49 days); the difference is right all the same.
std::int64_t cluster::wall_ms(std::uint32_t counted) const {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const std::uint32_t ago = count_ms() - counted;
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall).count() - ago;
}

void cluster::note_end(detail::job_record& record) {
  auto& e = record.more();
  e.submitted_ms = wall_ms(record.when.submitted);
  if (scheduler_.attempt(record.slot) > 0) e.sent_ms = wall_ms(record.when.sent);
  e.ended_ms = wall_ms(count_ms());
}

// --- places ----------------------------------------------------------------------------------------------------------

const std::string* cluster::name_of_node(std::uint32_t node) const {
  return node == local_node_ ? local_name_ : link_of_node_[node]->kept_name;
}

std::string cluster::address_of_node(std::uint32_t node) const {
  return node == local_node_ ? std::string() : link_of_node_[node]->address();
}

/// Of a failure that a node told: where it was, and the attempt that it ended.
void cluster::note_place(detail::job_record& record, std::uint32_t node) {
  job_report& why = record.more().report();
  why.address = address_of_node(node);
  wire::failure how;
  how.type = why.type;
  how.what = why.message;
  how.pid = static_cast<std::uint32_t>(why.pid);
  how.signal = static_cast<std::uint16_t>(why.signal);
  how.exit_status = static_cast<std::uint16_t>(why.exit_code);
  note_attempt(record, node, how);
}

void cluster::note_attempt(detail::job_record& record, std::uint32_t node, const wire::failure& how) {
  using std::chrono::milliseconds;
  job_attempt one;
  one.number = scheduler_.attempt(record.slot);
  one.node = *name_of_node(node);
  one.address = address_of_node(node);
  one.sent = std::chrono::system_clock::time_point(milliseconds(wall_ms(record.when.sent)));
  one.ended = std::chrono::system_clock::time_point(milliseconds(wall_ms(count_ms())));
  one.outcome = in_words(how);
  one.pid = static_cast<int>(how.pid);
  one.signal = how.signal;
  one.exit_code = how.exit_status;
  add(record.more().report().attempts, std::move(one));
}

void cluster::note_lost_jobs(const link& from) {
  if (is_closing_) return;
  wire::failure how;
  how.what = "the node was lost" + (from.reason().empty() ? std::string() : ": " + from.reason());
  for (const auto slot : scheduler_.jobs_on(from.node)) note_attempt(*record_of(slot), from.node, how);
}

// --- what a node told ------------------------------------------------------------------------------------------------

void cluster::describe_failure(detail::job_record& record, const wire::failure& how, const std::string& node) {
  auto& e = record.more();
  const std::size_t from = e.err.size() > stderr_tail ? e.err.size() - stderr_tail : 0;
  job_report& why = e.report();
  why.type = how.type;
  why.message = how.what;
  why.node = node;
  why.stderr_tail = e.err.substr(from);
  why.signal = how.signal;
  why.exit_code = how.exit_status;
  why.starts = scheduler_.attempt(record.slot);
  why.pid = static_cast<int>(how.pid);
  why.peak_memory = how.peak_memory;
  why.cpu_time = std::chrono::milliseconds(how.cpu_ms);
  why.run_time = std::chrono::microseconds(record.run_us);
  for (const auto& c : how.causes) why.causes.push_back({c.type, c.what});
  e.text = how.what.empty() ? make_error_code(static_cast<errc>(record.code)).message() : how.what;
  if (!is_known(static_cast<errc>(record.code))) {
    why.message = "unknown code " + std::to_string(record.code) + " from a newer node: " + how.what;
    record.code = static_cast<std::uint16_t>(errc::job_threw);
  }
  if (static_cast<errc>(record.code) == errc::worker_crashed) why.starts = scheduler_.crashes(record.slot);
}

/// What only this side knows: names of functions, the capsule. Last, because the capsule keeps the report.
void cluster::add_post_mortem(detail::job_record& record, std::uint32_t image, std::span<const code::location> stack) {
  auto& e = record.more();
  job_report& why = e.report();
  why.id = to_hex(link_context_.name_of(record));
  if (e.how) why.label = e.how->label;
  note_end(record);
  e.tell_times(why);
  post_mortem_.complete({static_cast<errc>(record.code), images_[image], record.decoder, record.function,
                         record.terms(), record.arguments(), stack},
                        why);
}

// --- jobs that end here ----------------------------------------------------------------------------------------------

// Requires: the job is queued or held, or the scheduler has no place for it any more.
void cluster::fail(std::uint32_t slot, errc code, const std::string& text, bool is_one_of_many) {
  if (scheduler_.is_queued(slot)) scheduler_.withdraw(slot);
  if (scheduler_.is_held(slot)) scheduler_.drop_held(slot);
  detail::job_record& record = *record_of(slot);
  record.code = static_cast<std::uint16_t>(code);
  record.more().text = text;
  if (!is_one_of_many) add_post_mortem(record, record.image, {});
  record.forget_arguments();
  record.run_us = 0;  // it had the image's number in the same place
  ++failed_;
  finish(record, nullptr);
}

void cluster::fail_unknown(std::uint32_t slot, const std::string& node, const std::string& reason) {
  detail::job_record& record = *record_of(slot);
  if (record.how() != nullptr && record.how()->is_inside()) return fail_lost(slot, *record.how()->place.worker);
  job_report& why = record.more().report();
  if (!why.attempts.empty()) {
    why.node = why.attempts.back().node;
    why.address = why.attempts.back().address;
  }
  why.starts = scheduler_.attempt(slot);
  fail(slot, errc::outcome_unknown,
       "node " + node + " was lost (" + reason + ") while it had this job, which may run at most once: find out what " +
           "it did before you submit it again");
}

void cluster::cancel(detail::job_record& record, bool is_one_of_many) {
  const auto slot = record.slot;
  // What it asked for may be granted just now.
  const bool may_open = record.how() != nullptr && record.how()->opens() && scheduler_.is_in_flight(slot);
  const auto asked_node = may_open ? scheduler_.node_of(slot) : scheduler::none;
  const auto asked_name = may_open ? record.how()->place.name : 0;
  if (scheduler_.is_in_flight(slot)) {
    const auto node = scheduler_.node_of(slot);
    job_report& why = record.more().report();
    why.node = *name_of_node(node);
    why.address = address_of_node(node);
    why.starts = scheduler_.attempt(slot);
  }
  if (scheduler_.is_queued(slot) || scheduler_.is_in_flight(slot)) scheduler_.cancel(slot);
  fail(slot, errc::cancelled, "its caller cancelled it", is_one_of_many);
  if (may_open) tell_check_in(asked_node, asked_name);
}

// While the jobs still have their names: a slot may belong to another job soon.
void cluster::tell_cancels() {
  if (!scheduler_.has_cancels()) return;
  cancels_.clear();
  scheduler_.take_cancels(cancels_);
  for (const auto& a : cancels_) {
    const auto id = record_of(a.job)->id();
    if (a.node == local_node_) {
      local_->cancel(id);
    } else {
      link_of_node_[a.node]->cancel(id, a.attempt, wire::cancel_reason::cancel);
    }
  }
}

std::size_t cluster::cancel_group(const std::string& group) {
  on_submitted();  // those too that were submitted just now
  std::size_t found = 0;
  for (std::uint32_t slot = 0; slot < generation_.size(); ++slot) {
    if (generation_[slot] == 0) continue;
    detail::job_record& record = *record_of(slot);
    if (record.how() == nullptr || record.how()->group != group) continue;
    ++found;
    cancel(record, found > most_named_at_once);
  }
  decide();
  records_.wake_waiters();
  return found;
}

}  // namespace pp::ppclient
