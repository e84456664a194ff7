// Jobs that wait for others, once those have ended: their arguments are joined here if bytes are all it takes; what runs users'
// code, or looks into the journal, is done by the pool's assemblers and comes back.
#include <algorithm>

#include "base/log.hpp"
#include "ppclient/cluster.hpp"
#include "ppclient/job_values.hpp"

namespace pp::ppclient {
namespace {

/// Owns all it needs: its job may be cancelled meanwhile, and its client may be closed.
class assembly final : public detail::deferred {
 public:
  assembly(detail::record_pool& pool, std::shared_ptr<detail::held_call> held, detail::payload known)
      : pool_(pool), held_(std::move(held)), known_(std::move(known)) {}

  void look_into(journal& kept, const auth::digest& program, code::location decoder, code::location function) {
    journal_ = &kept;
    program_ = program;
    decoder_ = decoder;
    function_ = function;
  }

  void run() override {
    if (pool_.is_closed()) return;
    detail::assembled_job made;
    made.job = held_->job;
    try {
      const detail::use_scope noting(made.values);
      made.arguments = detail::join(*held_, known_);
      if (journal_ != nullptr) look(made);
    } catch (const std::exception& e) {
      made.problem = std::string("an input's value did not become an argument: ") + e.what();
    } catch (...) {
      made.problem = "an input's value did not become an argument: something that is not a std::exception was thrown";
    }
    pool_.hand_in(std::move(made));
  }

 private:
  void look(detail::assembled_job& made) const {
    const auto key =
        journal_->key_of(program_, decoder_, function_, byte_view(made.arguments.data(), made.arguments.size()));
    made.kept = journal_->find(key);
    made.journal_key = std::make_unique<const auth::digest>(key);
  }

  detail::record_pool& pool_;
  const std::shared_ptr<detail::held_call> held_;
  const detail::payload known_;
  journal* journal_ = nullptr;
  auth::digest program_{};
  code::location decoder_ = code::no_location, function_ = code::no_location;
};

}  // namespace

// What fails or is done here may release others: those come with the next turn of the loop.
void cluster::release_held() {
  for (const auto job : ready_) {
    auto* const record = known_record(job);
    if (record != nullptr && scheduler_.is_held(record->slot)) release(*record);
  }
  for (auto& made : assembled_) take_assembled(made);
  ready_.clear();
  assembled_.clear();
}

void cluster::release(detail::job_record& record) {
  const auto& held = *record.extra->held;
  if (auto failed = held.failed()) {
    fail_held(record, detail::explain(*failed), failed);
  } else if (held.call.assemble != nullptr || is_journalled(record)) {
    assemble(record);
  } else {
    try {
      begin(record, detail::join(held, record.data));
    } catch (const std::exception& e) {  // too large, or no memory
      fail_held(record, std::string("the values of its inputs do not make arguments: ") + e.what());
    }
  }
}

// What has its own place is run there, each time (as in client.cpp).
bool cluster::is_journalled(const detail::job_record& record) const {
  return journal_ != nullptr && (record.how() == nullptr || record.how()->place.use == wire::place_use::none);
}

void cluster::assemble(detail::job_record& record) {
  auto call = std::make_unique<assembly>(records_, record.extra->held, std::move(record.data));
  if (is_journalled(record)) call->look_into(*journal_, images_[record.image].id(), record.decoder, record.function);
  records_.assemblers()->push(std::move(call));
}

void cluster::take_assembled(detail::assembled_job& made) {
  auto* const record = known_record(made.job);
  if (record == nullptr || !scheduler_.is_held(record->slot)) return;  // it was cancelled
  if (!made.problem.empty()) return fail_held(*record, made.problem);
  if (made.kept) return take_kept(*record, std::move(*made.kept));
  if (made.journal_key) record->more().journal_key = std::move(made.journal_key);
  try {
    if (!made.values.empty()) add_values(*record, made.values);
  } catch (const error& e) {
    return fail_held(*record, e.what());
  }
  begin(*record, std::move(made.arguments));
}

void cluster::begin(detail::job_record& record, detail::payload&& arguments) {
  const auto held = std::move(record.extra->held);  // the inputs' values go with it
  records_.complete_arguments(record, std::move(arguments));
  enqueue(record);
}

void cluster::fail_held(detail::job_record& record, const std::string& text, detail::end_pointer why) {
  record.more().failed_input = std::move(why);
  fail(record.slot, errc::dependency_failed, text);
}

void cluster::take_kept(detail::job_record& record, journal_entry&& kept) {
  scheduler_.drop_held(record.slot);
  record.code = 0;
  record.run_us = 0;
  record.data.assign(kept.value.data(), kept.value.size());
  record.forget_arguments();
  record.extra->out = std::move(kept.out);
  record.extra->err = std::move(kept.err);
  ++done_;
  finish(record, records_.keep_name("journal"));
}

}  // namespace pp::ppclient
