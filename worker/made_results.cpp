#include "worker/made_results.hpp"

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

}  // namespace

bytes not_started_result() {
  bytes payload(wire::result_head::size);
  wire::result_head head;
  head.code = wire::code_not_started;
  wire::encode_result_head(head, payload.data());
  return payload;
}

bytes crash_result(const worker_end& end) {
  wire::failure why;
  why.signal = static_cast<std::uint16_t>(end.how.signal);
  why.exit_status = static_cast<std::uint16_t>(end.how.status);
  why.what = "the worker that ran the job " + end.reason + in_words(end.note);
  why.type = end.note.type;
  why.stack = end.note.stack;
  return with_failure(errc::worker_crashed, why, end.printed);
}

bytes shutdown_result() {
  wire::failure why;
  why.what = "the workers were ended while the job ran";
  return with_failure(errc::shutting_down, why, {});
}

}  // namespace pp::worker
