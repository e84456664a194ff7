#include "ppclient/post_mortem.hpp"

#include "base/log.hpp"
#include "ppclient/capsule.hpp"

namespace pp::ppclient {
namespace {

/// Those that running the job again may explain.
/// A broken program fails a million times in the same way.
constexpr unsigned most_capsules = 1000;

bool is_worth_a_capsule(errc code) {
  return code == errc::job_threw || code == errc::worker_crashed || code == errc::timed_out ||
         code == errc::memory_limit || code == errc::result_too_large;
}

}  // namespace

void post_mortem::complete(const failed_job& job, job_report& to) noexcept {
  if (job.program.is_told()) return;  // no symbols to read here, and nothing to replay
  try {
    name(job, to);
  } catch (const std::exception& e) {
    log::warn("no_names_in_report", {{"reason", e.what()}});
  }
  if (capsule_dir_.empty() || !is_worth_a_capsule(job.code) || saved_ >= most_capsules) return;
  if (++saved_ == most_capsules)
    log::warn("last_capsule", {{"directory", capsule_dir_}, {"text", "no more are saved by this client"}});
  try {
    save(job, to);
  } catch (const std::exception& e) {
    to.capsule.clear();
    log::warn("capsule_not_saved", {{"directory", capsule_dir_}, {"job", to.id}, {"reason", e.what()}});
  }
}

void post_mortem::name(const failed_job& job, job_report& to) {
  to.function = symbols_.name_of_call(job.program, job.decoder, job.function);
  if (!job.stack.empty()) to.stack = symbols_.describe_stack(job.program, job.stack, job.decoder, job.function);
}

void post_mortem::save(const failed_job& job, job_report& to) {
  to.capsule = capsule_path(capsule_dir_, to);
  capsule saved = capsule_of(job.program, job.decoder, job.function, job.terms);
  saved.about = to;
  saved.code = job.code;
  save_capsule(saved, job.arguments, to.capsule);
}

}  // namespace pp::ppclient
