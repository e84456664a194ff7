#include "worker/made_results.hpp"

#include <algorithm>

#include "wire/message.hpp"

namespace pp::worker {
namespace {

bytes with_failure(errc code, const wire::failure& why, const printed_text& printed) {
  bytes payload(wire::result_head::size);
  wire::result_head head;
  head.code = static_cast<std::uint16_t>(code);
  if (!printed.empty()) head.flags = wire::result_head::flag_output;
  wire::encode_result_head(head, payload.data());
  if (!printed.empty()) wire::encode_output(printed.view(), payload);
  wire::encode_failure(why, payload);
  return payload;
}

wire::failure failure_of(std::string what, const job_facts& facts) {
  const auto cpu_ms = std::chrono::duration_cast<std::chrono::milliseconds>(facts.cpu).count();
  wire::failure why;
  why.what = std::move(what);
  why.pid = static_cast<std::uint32_t>(facts.pid);
  why.cpu_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(cpu_ms, 0, UINT32_MAX));
  why.peak_memory = facts.peak_memory;
  return why;
}

}  // namespace

bytes not_started_result() {
  bytes payload(wire::result_head::size);
  wire::result_head head;
  head.code = wire::code_not_started;
  wire::encode_result_head(head, payload.data());
  return payload;
}

bytes crash_result(const worker_end& end, const job_facts& facts) {
  auto why = failure_of("the worker that ran the job " + end.reason, facts);
  why.signal = static_cast<std::uint16_t>(end.how.signal);
  why.exit_status = static_cast<std::uint16_t>(end.how.status);
  why.what += in_words(end.note);
  why.type = end.note.type;
  why.stack = end.note.stack;
  return with_failure(errc::worker_crashed, why, facts.printed);
}

bytes ended_result(errc code, const std::string& what, const job_facts& facts) {
  return with_failure(code, failure_of(what, facts), facts.printed);
}

bytes shutdown_result() {
  wire::failure why;
  why.what = "the workers were ended while the job ran";
  return with_failure(errc::shutting_down, why, {});
}

}  // namespace pp::worker
