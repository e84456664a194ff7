#include "worker/runner.hpp"

#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <optional>

#include "base/block_pool.hpp"
#include "base/clock.hpp"
#include "code/loaded.hpp"
#include "code/manifest.hpp"
#include "pp/detail/thunk.hpp"
#include "worker/this_job.hpp"
#include "worker/thrown.hpp"
#include "worker/thunks.hpp"

namespace pp::worker {
namespace {

// Memory of a result of this size is kept for the next one of its kind: fresh memory costs more than the copy into it.
constexpr std::size_t largest_kept = 65 * 1024 * 1024;
// Above a value of this size its printed output is left out, so that both together never exceed one message.
constexpr std::size_t largest_value = std::size_t{1} << 30U;
constexpr auto value_look = std::chrono::milliseconds(100);
constexpr std::size_t most_beside_output = wire::max_message_bytes - 4 * stream_part - 64;

class image_lookup final : public code_lookup {
 public:
  std::string open(byte_view manifest) override {
    const auto decoded = code::decode_manifest(manifest);
    if (!decoded) return "the node sent a list of this program's files that makes no sense";
    image_.emplace(*decoded);
    return image_->problem();
  }
  const void* address_of(code::location l) const override { return image_->address_of(l); }
  code::location location_of(std::uintptr_t address) const noexcept override {
    return image_ ? image_->location_of(address) : code::no_location;
  }

 private:
  std::optional<code::loaded_image> image_;
};

std::uint32_t in_microseconds(duration length) {
  const auto passed = std::chrono::duration_cast<std::chrono::microseconds>(length).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(passed, 0, std::numeric_limits<std::uint32_t>::max()));
}

wire::failure failure_in_words(std::string type, std::string what) {
  wire::failure why;
  why.type = std::move(type);
  why.what = std::move(what);
  return why;
}

constexpr std::uint16_t number(errc e) { return static_cast<std::uint16_t>(e); }

/// True in a process that a job forked and that returned from the job: it must not answer.
std::atomic<bool> is_forked_child{false};
void watch_for_forks() {
  static const int once =
      pthread_atfork(nullptr, nullptr, [] { is_forked_child.store(true, std::memory_order_relaxed); });
  static_cast<void>(once);
}

}  // namespace

std::unique_ptr<code_lookup> own_image() { return std::make_unique<image_lookup>(); }

runner::runner(worker_road& road, control_mapping& control, output_capture& output, code_lookup& code)
    : road_(road), control_(control), output_(output), code_(code) {
  watch_for_forks();
}

void runner::run() {
  pipe_message message;
  while (road_.read(message) && on_message(message)) {
  }
}

/// False ends the worker. Messages of a newer node that this program does not know are passed over.
bool runner::on_message(const pipe_message& message) {
  if (message.head.type == wire::message_type::image && !has_image_) return on_image(message.payload);
  if (message.head.type == wire::message_type::submit) return has_image_ && on_submit(message);
  return true;
}

bool runner::on_image(byte_view payload) {
  const auto image = wire::decode_image(payload);
  const std::string problem = image ? code_.open(image->manifest) : "the node sent an IMAGE that makes no sense";
  if (problem.empty()) {
    has_image_ = true;
    output_.discard();
    return road_.write({0, wire::message_type::ready, 0, 0, 0}, {});
  }
  bytes refusal;
  wire::encode_unfit({0, problem}, refusal);
  road_.write({0, wire::message_type::unfit, 0, 0, 0}, {refusal});
  return false;
}

bool runner::on_submit(const pipe_message& message) {
  const std::uint64_t sequence = next_sequence_++;
  const auto job = wire::decode_submit(message.payload);
  if (job) prepare(*job, message.payload);  // before the claim: from then on the node counts what this process uses
  if (!control_.move(sequence, claim::queued, claim::claimed)) return true;
  const outcome how = execute(job, message);
  if (is_forked_child.load(std::memory_order_relaxed)) ::_exit(0);
  const bool sent = send_result(message.head, how);
  control_.set(sequence, claim::done);
  if (traces_ != nullptr) traces_->clean(how.run_time);
  if (values_ != nullptr && !values_->is_empty()) look_at_values();
  if (value_.capacity() > largest_kept) value_.reset();
  return sent;
}

/// A worker that always has jobs never waits, which is when it looks otherwise.
void runner::look_at_values() {
  const auto t = now();
  if (t - values_looked_at_ < value_look) return;
  values_looked_at_ = t;
  values_->take_all();
}

runner::outcome runner::execute(const result<wire::submit>& job, const pipe_message& message) {
  value_.clear();
  const time_point start = now();
  outcome how = execute_submit(job, message.payload, message.head.attempt);
  how.run_time = now() - start;
  if (how.code != wire::code_value) value_.clear();
  return how;
}

runner::outcome runner::execute_submit(const result<wire::submit>& job, byte_view payload, unsigned attempt) {
  if (!job) return {number(errc::bad_message), failure_in_words("", "pp: the job's message makes no sense"), {}};
  if (terms_.initialiser != 0) {
    if (auto failed = initialise()) return std::move(*failed);
  }
  const job_scope scope(job->id, attempt, terms_);
  return call(*job, wire::arguments_of(*job, payload));
}

/// Most jobs have no terms, and had none before.
void runner::prepare(const wire::submit& job, byte_view payload) {
  if (job.terms_bytes == 0 && !has_terms_) return;
  has_terms_ = job.terms_bytes > 0;
  auto terms = wire::decode_terms(wire::terms_of(job, payload));
  terms_ = terms ? std::move(*terms) : wire::terms();  // the node has checked them
  if (terms_.memory == 0) return;
  // What earlier jobs left for the next ones must not count as this one's.
  value_.reset();
  warm_blocks().keep_at_most(0);
  warm_blocks().keep_at_most(kept_for_payloads);
  ::malloc_trim(0);
}

/// Once in this process, and again if it threw. Outside of the job's scope: what it sets is there for all jobs.
std::optional<runner::outcome> runner::initialise() {
  if (std::find(initialised_.begin(), initialised_.end(), terms_.initialiser) != initialised_.end()) return {};
  const void* const function = code_.address_of(terms_.initialiser);
  if (function == nullptr) {
    return outcome{number(errc::bad_message),
                   failure_in_words("", "pp: the job names an initialiser that this program does not have"),
                   {}};
  }
  try {
    reinterpret_cast<void (*)()>(const_cast<void*>(function))();
  } catch (...) {
    auto how = outcome_of(std::current_exception());
    how.why.what.insert(0, "options::worker_init threw: ");
    return how;
  }
  initialised_.push_back(terms_.initialiser);
  return {};
}

runner::outcome runner::call(const wire::submit& job, byte_view arguments) {
  const void* decoder = code_.address_of(job.decoder);
  if (decoder == nullptr || !is_registered_thunk(decoder)) {
    return {number(errc::bad_message),
            failure_in_words("", "pp: the job names a decoder that this program does not have"),
            {}};
  }
  if (job.function == code::no_location) return call_thunk(decoder, 0, arguments);
  if (code::marker_of(job.function) == code::virtual_marker) {
    return call_thunk(decoder, code::offset_of(job.function), arguments);
  }
  const void* function = code_.address_of(job.function);
  if (function == nullptr) {
    return {number(errc::bad_message),
            failure_in_words("", "pp: the job names a function that this program does not have"),
            {}};
  }
  return call_thunk(decoder, reinterpret_cast<std::uintptr_t>(function), arguments);
}

/// What a job threw, as it is told to the caller. A null pointer is an exception that did not come from C++.
runner::outcome runner::outcome_of(const std::exception_ptr& thrown) {
  return {number(errc::job_threw), failure_of(thrown), {}};
}

/// The only place where user code runs.
runner::outcome runner::call_thunk(const void* decoder, std::uintptr_t function, byte_view arguments) {
  try {
    reinterpret_cast<detail::thunk>(const_cast<void*>(decoder))(function, arguments.data(), arguments.size(), value_);
    if (value_.size() > largest_value) throw detail::oversized_result();
    if (terms_.max_result != 0 && value_.size() > terms_.max_result) {
      return {number(errc::result_too_large),
              failure_in_words("", "the job's result has " + std::to_string(value_.size()) +
                                       " bytes, more than its limit of " + std::to_string(terms_.max_result)),
              {}};
    }
    return {};
  } catch (const detail::bad_arguments& e) {
    return {number(errc::bad_message), failure_in_words("", e.what()), {}};
  } catch (const detail::oversized_result& e) {
    return {number(errc::result_too_large), failure_in_words("", e.what()), {}};
  } catch (const detail::item_failure& failed) {
    outcome how = outcome_of(failed.cause());
    how.why.what.insert(0, "item " + std::to_string(failed.item()) + " (counted from 0): ");
    return how;
  } catch (...) {
    return outcome_of(std::current_exception());
  }
}

bool runner::send_result(const wire::frame_header& job, const outcome& how) {
  bytes printed, failed;
  if (const auto text = output_.take(how.run_time); text && !terms_.drops_output && value_.size() < most_beside_output)
    wire::encode_output(text->view(), printed);
  if (how.code != wire::code_value) wire::encode_failure(how.why, failed);
  std::array<std::uint8_t, wire::result_head::size> head{};
  wire::encode_result_head(
      {1, printed.empty() ? std::uint8_t{0} : wire::result_head::flag_output, how.code, in_microseconds(how.run_time)},
      head.data());
  return road_.write({0, wire::message_type::result, 0, job.attempt, job.job},
                     {head, printed, failed, byte_view(value_.data(), value_.size())});
}

}  // namespace pp::worker
