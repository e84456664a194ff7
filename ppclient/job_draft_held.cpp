// The part of a draft that waits for other jobs: what client::submit does where an argument is a future, and job_options::after.
//
// Must not know: the cluster; when inputs end.
#include "pp/detail/job_draft.hpp"
#include "pp/detail/map_run.hpp"
#include "ppclient/client_wait.hpp"
#include "ppclient/record.hpp"

namespace pp::detail {

waiting_call& job_draft::waits() {
  if (!waits_) waits_ = std::make_unique<waiting_call>();
  return *waits_;
}

// The arguments are all known then: one part.
void job_draft::wait_for(const std::vector<job_ref>& others) {
  if (others.empty()) return;
  const bool has_parts = waits_ != nullptr;
  auto& inputs = waits().inputs;
  for (const auto& job : others) inputs.push_back(job.awaited());
  if (!has_parts) waits_->parts.push_back({0, record_->data.size(), 0, 0, false});
}

// Its name in the journal is that of its arguments, so it is looked for when they are known.
job_handle job_draft::hand_over_waiting() {
  auto& records = records_of(core_);
  records.check_inputs(*waits_);
  if (waits_->assemble != nullptr || has_journal(core_)) records.assemblers()->start();
  auto held = std::make_shared<held_call>();
  held->call = std::move(*waits_);
  record_->more().held = std::move(held);
  return send();
}

}  // namespace pp::detail
