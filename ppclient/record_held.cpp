// The pool's part in jobs that wait for others: a table beside the records, as for watchers, because few jobs are awaited.
#include "ppclient/record.hpp"

#include <cstring>

#include "pp/detail/job_handle.hpp"
#include "ppclient/failure.hpp"

namespace pp::detail {
namespace {

/// Requires: the record is the caller's own: it is done, or this is the I/O thread and nobody knows yet.
end_pointer end_of(const job_record& record, const wire::job_id& name, bool wants_value) {
  auto out = std::make_shared<ended_job>();
  out->code = record.code;
  if (record.code != 0) {
    out->why = complete_report(record, name);
    out->text = text_of_failure(record, out->why);
  } else if (wants_value && record.extra && record.extra->whole) {
    const auto& whole = record.extra->whole;
    out->value = block(whole.owner(), whole.writable().subspan(record.extra->value_offset));
  } else if (wants_value) {
    out->value = block::on_heap(record.data.size());
    if (record.data.size() > 0) std::memcpy(out->value.writable().data(), record.data.data(), record.data.size());
  }
  return out;
}

/// One copy of a value for all that wait for it now. Requires: the record is done and the caller's own.
end_pointer shared_end_of(job_record& record, const wire::job_id& name, bool wants_value) {
  if (!wants_value) return end_of(record, name, false);
  if (record.extra) {
    if (auto kept = record.extra->told.lock()) return kept;
  }
  auto out = end_of(record, name, true);
  record.more().told = out;
  return out;
}

}  // namespace

std::shared_ptr<awaited_job> record_pool::await(job_record& record, bool wants_value) {
  if (auto pending = await_pending(record, wants_value)) return pending;
  auto out = std::make_shared<awaited_job>();
  out->pool = this;
  out->end = shared_end_of(record, name_of(record), wants_value);
  return out;
}

/// Null if it is done.
std::shared_ptr<awaited_job> record_pool::await_pending(job_record& record, bool wants_value) {
  const std::lock_guard hold(lock_);
  auto seen = record.word.load(std::memory_order_acquire);
  while ((seen & job_record::has_heirs) == 0) {
    if (seen == job_record::state_done) return nullptr;
    if (record.word.compare_exchange_weak(seen, seen | job_record::has_heirs)) break;
  }
  auto& known = awaited_[record.id()];
  if (!known) {
    known = std::make_shared<awaited_job>();
    known->pool = this;
  }
  known->wants_value |= wants_value;
  return known;
}

// From the exchange on the record is its future's; whoever asks for it afterwards finds it done.
std::uint32_t record_pool::bequeath(job_record& record) {
  const auto id = record.id();
  bool wants_value = false;
  {
    const std::lock_guard hold(lock_);
    wants_value = awaited_[id]->wants_value;
  }
  auto end = end_of(record, name_of(record), wants_value);
  std::shared_ptr<awaited_job> heirs;
  std::uint32_t before = 0;
  {
    const std::lock_guard hold(lock_);
    const auto found = awaited_.find(id);
    if (found->second->wants_value && !wants_value) end = end_of(record, name_of(record), true);
    before = record.word.exchange(job_record::state_done, std::memory_order_acq_rel);
    heirs = std::move(found->second);
    awaited_.erase(found);
    heirs->end = end;
    for (const auto& w : heirs->waiting) take_end_locked(*w.who, w.input, end);
  }
  heirs->waiting = {};  // calls may own much; not under the lock
  return before;
}

void record_pool::take_end_locked(held_call& held, std::size_t input, const end_pointer& end) {
  if (held.is_told) return;
  held.ends[input] = end;
  --held.missing;
  if (held.missing > 0 && end->code == 0) return;
  held.is_told = true;
  ready_.push_back(held.job);
  has_submitted_.store(true, std::memory_order_release);
}

std::uint32_t record_pool::mark_done(job_record& record) {
  auto seen = record.word.load(std::memory_order_acquire);
  while ((seen & job_record::has_heirs) == 0) {
    if (record.word.compare_exchange_weak(seen, job_record::state_done, std::memory_order_acq_rel)) return seen;
  }
  return bequeath(record);
}

void record_pool::check_inputs(const waiting_call& call) const {
  for (const auto& input : call.inputs) {
    if (input->pool != this)
      throw error(errc::bad_option,
                  "a job can wait for jobs of its own client only: get() the value of the other client's future first");
  }
}

// Under the lock from looking at the inputs to handing over: none of them can end in between.
void record_pool::hold_locked(job_record& record) {
  const auto held = record.extra->held;
  held->job = record.id();
  held->missing = held->call.inputs.size();
  held->ends.resize(held->missing);
  for (std::size_t i = 0; i < held->call.inputs.size(); ++i) {
    auto& input = *held->call.inputs[i];
    if (input.end) {
      take_end_locked(*held, i, input.end);
    } else {
      input.waiting.push_back({held, i});
    }
  }
  held->call.inputs = {};
  if (held->is_told || held->missing > 0) return;
  held->is_told = true;  // of an empty vector of futures
  ready_.push_back(held->job);
}

void record_pool::collect_ready(std::vector<std::uint64_t>& ready, std::vector<assembled_job>& assembled) {
  ready.clear();
  assembled.clear();
  const std::lock_guard hold(lock_);
  ready.swap(ready_);
  assembled.swap(assembled_);
}

bool record_pool::is_closed() {
  const std::lock_guard hold(lock_);
  return is_closed_;
}

void record_pool::hand_in(assembled_job&& done) {
  bool must_wake = false;
  {
    const std::lock_guard hold(lock_);
    if (is_closed_) return;  // it ends with errc::closed
    assembled_.push_back(std::move(done));
    has_submitted_.store(true, std::memory_order_release);
    must_wake = std::exchange(is_io_asleep_, false);
  }
  if (must_wake) wake_();
}

void record_pool::complete_arguments(job_record& record, payload&& all) {
  pending_bytes_ -= record.counted_bytes;
  record.data = std::move(all);
  count_arguments(record);
}

std::shared_ptr<awaited_job> await_job(const job_handle& job, bool wants_value) {
  if (!job.valid())
    throw error(errc::bad_option, "a future whose get() was called, or without a job, cannot be waited for");
  return job.pool()->await(*job.record(), wants_value);
}

}  // namespace pp::detail
