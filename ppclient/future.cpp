// The future's side of a record: waiting, and turning what came back into a value or an exception.
#include "pp/future.hpp"

#include <cstdio>

#include "base/check.hpp"
#include "ppclient/failure.hpp"

namespace pp::detail {
namespace {

/// Those that are thrown as a job_error.
bool is_about_job(errc code) {
  switch (code) {
    case errc::job_threw:
    case errc::worker_crashed:
    case errc::timed_out:
    case errc::memory_limit:
    case errc::cancelled:
    case errc::result_too_large:
    case errc::dependency_failed:
    case errc::outcome_unknown: return true;
    default: return false;
  }
}

void echo(job_record& record, bool is_usual) {
  if (!record.extra || record.is_echoed) return;
  const auto wanted = record.how() != nullptr ? record.how()->output : output::usual;
  if (wanted != output::echo && (wanted != output::usual || !is_usual)) return;
  record.is_echoed = true;
  const auto& e = *record.extra;
  if (!e.out.empty()) {
    std::fwrite(e.out.data(), 1, e.out.size(), stdout);
    std::fflush(stdout);
  }
  if (!e.err.empty()) {
    std::fwrite(e.err.data(), 1, e.err.size(), stderr);
    std::fflush(stderr);
  }
}

[[noreturn]] void throw_failure(const job_record& record, const wire::job_id& name) {
  PP_CHECK(record.extra);
  const auto why = complete_report(record, name);
  const auto code = static_cast<errc>(record.code);
  if (is_about_job(code)) throw job_error(code, std::move(*why));
  throw error(code, record.extra->text, why);
}

}  // namespace

std::shared_ptr<job_report> complete_report(const job_record& record, const wire::job_id& name) {
  const record_extra& e = *record.extra;
  auto why = e.why ? std::make_shared<job_report>(*e.why) : std::make_shared<job_report>();
  why->id = to_hex(name);
  if (e.how) why->label = e.how->label;
  if (e.failed_input) tell_inputs(*e.failed_input, *why);
  if (why->message.empty() && why->type.empty()) why->message = e.text;
  e.tell_times(*why);
  return why;
}

std::string text_of_failure(const job_record& record, const std::shared_ptr<const job_report>& why) {
  const auto code = static_cast<errc>(record.code);
  return is_about_job(code) ? job_error(code, *why).what() : record.extra->text;
}

job_handle& job_handle::operator=(job_handle&& other) noexcept {
  if (this != &other) {
    if (record_ != nullptr) release();
    pool_ = std::move(other.pool_);
    record_ = std::exchange(other.record_, nullptr);
  }
  return *this;
}

void job_handle::release() noexcept {
  pool_->release(record_);
  record_ = nullptr;
}

bool job_handle::ready() const noexcept {
  return record_->word.load(std::memory_order_acquire) == job_record::state_done;
}

void job_handle::wait() const { pool_->wait(*record_, -1); }

bool job_handle::wait_for(std::chrono::nanoseconds limit) const {
  return pool_->wait(*record_, limit.count() < 0 ? 0 : limit.count());
}

std::size_t job_handle::result_bytes() const noexcept {
  return record_->extra && record_->extra->whole ? record_->extra->whole.size() : record_->data.size();
}

job_handle::value_view job_handle::value_or_throw() const {
  echo(*record_, pool_->echo_output);
  if (record_->code != 0) throw_failure(*record_, pool_->name_of(*record_));
  if (record_->extra && record_->extra->whole) {
    const byte_view value = record_->extra->whole.view().subspan(record_->extra->value_offset);
    return {value.data(), value.size()};
  }
  return {record_->data.data(), record_->data.size()};
}

void job_handle::read_output(std::string& out, std::string& err, std::uint64_t& out_dropped,
                             std::uint64_t& err_dropped) const {
  if (!record_->extra) return;
  const auto& e = *record_->extra;
  out = e.out;
  err = e.err;
  out_dropped = e.out_dropped;
  err_dropped = e.err_dropped;
}

void job_handle::cancel() const { pool_->cancel(*record_); }

std::string job_handle::id() const { return to_hex(pool_->name_of(*record_)); }

std::chrono::microseconds job_handle::run_time() const noexcept { return std::chrono::microseconds(record_->run_us); }

std::string job_handle::node() const { return record_->node != nullptr ? *record_->node : std::string(); }

// --- being told ------------------------------------------------------------------------------------------------------

namespace {

class callback_watcher final : public watcher {
 public:
  callback_watcher(std::shared_ptr<callback_queue> queue, std::unique_ptr<deferred> call)
      : queue_(std::move(queue)), call_(std::move(call)) {}
  void on_done(const ending&) noexcept override { queue_->push(std::move(call_)); }

 private:
  const std::shared_ptr<callback_queue> queue_;
  std::unique_ptr<deferred> call_;
};

}  // namespace

void job_handle::watch(std::shared_ptr<watcher> who, std::size_t tag) const {
  pool_->watch(*record_, std::move(who), tag);
}

void job_handle::unwatch(const watcher& who) const noexcept { pool_->unwatch(*record_, who); }

void job_handle::call_when_done(std::unique_ptr<deferred> call) const {
  const auto pool = pool_;  // this handle may be the call's own
  const auto record = record_;
  pool->callbacks()->start();
  pool->watch(*record, std::make_shared<callback_watcher>(pool->callbacks(), std::move(call)), 0);
}

}  // namespace pp::detail
