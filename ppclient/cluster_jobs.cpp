// The cluster's jobs: from the submit queue to the scheduler, from its decisions to links, from results to records.
#include "ppclient/cluster.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/result.hpp"
#include "code/fit.hpp"
#include "wire/terms.hpp"

namespace pp::ppclient {
namespace {

constexpr std::size_t decisions_at_once = 256;

/// unfit_node as the code of a result: that node could not keep a shared value of the job. Another one may.
scheduler::outcome outcome_of(std::uint16_t code) {
  if (code == wire::code_not_started) return scheduler::outcome::not_started;
  const bool is_of_node =
      code == static_cast<std::uint16_t>(errc::worker_crashed) || code == static_cast<std::uint16_t>(errc::unfit_node);
  return is_of_node ? scheduler::outcome::crashed : scheduler::outcome::done;
}

}  // namespace

// --- jobs ------------------------------------------------------------------------------------------------------------

detail::job_record* cluster::record_of(std::uint32_t slot) const {
  return slabs_[slot / detail::record_pool::slab_records] + slot % detail::record_pool::slab_records;
}

detail::job_record* cluster::known_record(std::uint64_t job) const {
  const auto slot = static_cast<std::uint32_t>(job);
  const auto generation = static_cast<std::uint32_t>(job >> 32U);
  if (generation == 0 || slot >= generation_.size() || generation_[slot] != generation) return nullptr;
  return record_of(slot);
}

void cluster::on_submitted() {
  records_.collect_ready(ready_, assembled_);
  records_.collect(fresh_, cancelled_);
  const auto counted = count_ms();
  for (auto* record : fresh_) {
    adopt(*record);
    record->when = {counted, 0};
    while (images_seen_ <= record->image) check_fits(images_seen_++);
    record->is_held() ? scheduler_.on_hold(record->slot) : enqueue(*record);
    if (is_closing_ && (scheduler_.is_queued(record->slot) || scheduler_.is_held(record->slot)))
      fail(record->slot, errc::closed, "the client was closed before the job was done");
  }
  for (const auto job : cancelled_) {
    if (auto* const record = known_record(job)) cancel(*record);
  }
  if (!is_closing_) {
    release_held();
    decide();
  }
  records_.wake_waiters();
}

void cluster::adopt(detail::job_record& record) {
  const std::size_t slab = record.slot / detail::record_pool::slab_records;
  if (slab >= slabs_.size()) {
    slabs_.resize(slab + 1);
    generation_.resize((slab + 1) * detail::record_pool::slab_records);
  }
  slabs_[slab] = &record - record.slot % detail::record_pool::slab_records;
  generation_[record.slot] = record.generation;
}

void cluster::enqueue(const detail::job_record& record) {
  const auto* const how = record.how();
  if (how == nullptr) return scheduler_.on_submit(record.slot, record.image);
  if (how->is_inside()) return enqueue_inside(record);
  const scheduler::job_kind kind{record.image, how->priority, constraint_of(how->where), how->opens()};
  scheduler_.on_submit(record.slot, kind, {how->attempts, how->at_most_once, how->idempotent});
}

// --- where jobs may run ----------------------------------------------------------------------------------------------

scheduler::constraint_index cluster::constraint_of(const placement& asked) {
  if (asked.is_anywhere()) return scheduler::none;
  const auto [known, is_new] = constraints_.try_emplace(asked, scheduler::none);
  if (!is_new) return known->second;
  known->second = scheduler_.add_constraint();
  placements_.push_back(&known->first);
  if (!asked.resources.empty()) scheduler_.set_needs(known->second, asked.resources);
  for (const auto* l : link_of_node_) {
    if (l != nullptr && admits(asked, identity_of(*l))) scheduler_.set_fulfils(l->node, known->second);
  }
  if (local_ && admits(asked, local_identity())) scheduler_.set_fulfils(local_node_, known->second);
  return known->second;
}

void cluster::tell_fulfilled(std::uint32_t node, const node_identity& who) {
  for (const auto& [asked, index] : constraints_) {
    if (admits(asked, who)) scheduler_.set_fulfils(node, index);
  }
}

node_identity cluster::identity_of(const link& l) const {
  const auto level = std::min(l.welcome().isolation, static_cast<std::uint8_t>(isolation::sandbox));
  return {l.name(), l.id() ? to_hex(*l.id()) : std::string(), l.addresses(), static_cast<isolation>(level),
          l.resources};
}

// Local workers have this program's own rights.
node_identity cluster::local_identity() const {
  return {"local", {}, {}, isolation::none, checked_resources("options.resources", options_.resources)};
}

// A new image: nodes that cannot run it are left out before it is sent to them.
void cluster::check_fits(std::uint32_t image) {
  for (auto* l : link_of_node_) {
    if (l != nullptr && l->is_ready()) check_fit(*l, image);
  }
}

void cluster::decide() {
  if (is_closing_) return;
  bool more = true;
  while (more) {
    actions_.clear();
    more = scheduler_.decide(actions_, decisions_at_once);
    carry_out_all();
  }
  watch_stragglers();
  // A node does not answer for what has begun. Its PONG, sent after whatever came back, tells that nothing more will.
  for (const auto node : recalled_from_) {
    if (link* const l = link_of_node_[node]) {
      l->ping([this, node](duration) {
        scheduler_.settle_recalls(node);
        decide_soon();
      });
    }
  }
  recalled_from_.clear();
}

// Once per turn of the loop, after all that was received together.
void cluster::decide_soon() {
  if (is_deciding_soon_) return;
  is_deciding_soon_ = true;
  net::post(executor_, [this] {
    is_deciding_soon_ = false;
    decide();
    records_.wake_waiters();
  });
}

void cluster::on_link_batch_end() {
  decide();
  records_.wake_waiters();
}

void cluster::carry_out_all() {
  const auto counted = actions_.empty() ? 0 : count_ms();
  for (const auto& a : actions_) {
    if (a.what == scheduler::action::kind::send) {
      detail::job_record& sent = *record_of(a.job);
      sent.when.sent = counted;
      sent.is_sent.store(true, std::memory_order_relaxed);
    }
    carry_out(a);
  }
}

void cluster::recall(const scheduler::action& a) {
  const auto id = record_of(a.job)->id();
  if (a.node == local_node_) {
    local_->recall(id);
    return;
  }
  link_of_node_[a.node]->cancel(id, a.attempt, wire::cancel_reason::recall);
  if (recalled_from_.empty() || recalled_from_.back() != a.node) recalled_from_.push_back(a.node);
}

void cluster::carry_out(const scheduler::action& a) {
  if (a.what == scheduler::action::kind::recall) {
    recall(a);
    return;
  }
  // An action before this one may have taken the job back (send_local).
  if (!scheduler_.is_in_flight(a.job) || scheduler_.attempt(a.job) != a.attempt || scheduler_.node_of(a.job) != a.node)
    return;
  const detail::job_record& record = *record_of(a.job);
  if (a.node == local_node_) {
    send_local(record, a.attempt);
  } else {
    link_of_node_[a.node]->send_job(record, a.attempt);
  }
}

void cluster::send_local(const detail::job_record& record, std::uint16_t attempt) {
  try {
    local_->send_job(record, attempt, link_context_.name_of(record), images_[record.image]);
  } catch (const error& e) {
    on_local_unfit(record.image, e.what());  // no descriptor left, for example: the job goes elsewhere, or later
    scheduler_.on_result(record.slot, local_node_, attempt, scheduler::outcome::not_started, 1);
  }
}

void cluster::on_link_result(link& from, const net::message& result) {
  if (from.node == scheduler::none) return;
  const auto before = scheduler_.numbers().rescheduled;
  on_any_result(from.node, result.head.job, result.head.attempt, result.view, result.owned, from.jobs_done);
  from.jobs_rescheduled += scheduler_.numbers().rescheduled - before;
}

void cluster::on_any_result(std::uint32_t node, std::uint64_t job, std::uint16_t attempt, byte_view payload,
                            const block& owned, std::uint64_t& jobs_done) {
  auto parts = wire::decode_result(payload);
  if (!parts) {
    // What a job's own process wrote may be anything; it costs that job only.
    wire::result_parts unreadable;
    unreadable.head.code = static_cast<std::uint16_t>(errc::bad_message);
    parts = unreadable;
  }
  const unsigned credit = std::min<unsigned>(parts->head.credit, wire::result_head::no_credit);
  auto* const record = known_record(job);
  if (record == nullptr) {
    scheduler_.on_stray_result(node, credit);
    return;
  }
  const auto code = parts->head.code;
  const auto what = outcome_of(code);
  if (code == static_cast<std::uint16_t>(errc::unfit_node)) note_values_refused(*record, node);
  const auto verdict = scheduler_.on_result(record->slot, node, attempt, what, credit);
  if (verdict == scheduler::verdict::again && what == scheduler::outcome::crashed) {
    const auto failure = wire::decode_failure(parts->body);
    note_attempt(*record, node, failure ? *failure : wire::failure{});
  }
  if (verdict == scheduler::verdict::again) record->is_sent.store(false, std::memory_order_relaxed);
  if (verdict != scheduler::verdict::stale) note_result(node, what);
  if (verdict != scheduler::verdict::deliver) return;
  const auto worker = record->how() != nullptr ? record->how()->place.worker : nullptr;
  if (what == scheduler::outcome::not_started) {
    if (worker->reason.empty()) worker->reason = "its node gave the job back";
    return fail_lost(record->slot, *worker);
  }
  if (code == 0 && record->how() != nullptr && record->how()->opens()) open_lease(*record, node);
  if (code == 0) note_success(*record, node, parts->head.run_us);
  ++jobs_done;
  count_run(node, parts->head.run_us);
  deliver(*record, *parts, payload, owned, node);
  if (worker) give_back_if_done(worker);
}

// Other nodes must not wait for what this one will never have.
void cluster::note_values_refused(const detail::job_record& record, std::uint32_t node) {
  if (!record.extra) return;
  for (const auto& value : record.extra->values) contents_.forget(node, value->content()->id());
  on_contents_changed();
}

void cluster::count_run(std::uint32_t node, std::uint32_t run_us) {
  (node == local_node_ ? local_run_us_ : link_of_node_[node]->run_us) += run_us;
}

void cluster::deliver(detail::job_record& record, const wire::result_parts& parts, byte_view payload,
                      const block& owned, std::uint32_t node) {
  bool has_output = (parts.head.flags & wire::result_head::flag_output) != 0;
  if (has_output && record.how() != nullptr && record.how()->output == output::drop) has_output = false;
  const std::uint32_t image = record.image;  // shares its place with run_us
  const std::string* const name = name_of_node(node);
  record.code = parts.head.code;
  record.run_us = parts.head.run_us;
  if (has_output) {
    auto& e = record.more();
    e.out = as_text(parts.printed.out);
    e.err = as_text(parts.printed.err);
    e.out_dropped = parts.printed.out_dropped;
    e.err_dropped = parts.printed.err_dropped;
  }
  if (record.code != 0) {
    const auto failure = wire::decode_failure(parts.body);
    const auto how = failure ? *failure : wire::failure{0, 0, "", "the node sent a result that cannot be read"};
    describe_failure(record, how, *name);
    note_place(record, node);
    add_post_mortem(record, image, how.stack);
  } else if (owned && parts.body.size() > detail::record_pool::large_bytes) {
    auto& e = record.more();
    e.value_offset = static_cast<std::size_t>(parts.body.data() - payload.data());
    e.whole = owned;
    record.data.reset();
  } else {
    record.data.assign(parts.body.data(), parts.body.size());
  }
  if (journal_ != nullptr && record.code == 0) keep(record, parts.body);
  record.forget_arguments();
  ++(record.code == 0 ? done_ : failed_);
  finish(record, name);
}

void cluster::keep(const detail::job_record& record, byte_view value) {
  if (!record.extra || !record.extra->journal_key) return;
  const auto& e = *record.extra;
  journal_->store(*e.journal_key, {bytes(value.begin(), value.end()), e.out, e.err});
}

// `node`: where it ended; null if it was given up here.
void cluster::finish(detail::job_record& record, const std::string* node) {
  tell_cancels();
  if (record.code != 0) note_end(record);
  record.node = node;
  generation_[record.slot] = 0;
  records_.complete(&record);
}

}  // namespace pp::ppclient
