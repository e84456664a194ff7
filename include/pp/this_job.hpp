/// What a job can ask about itself while it runs.
///
/// Threads:       any of a worker; the answers are those of the job that runs now. Outside of a job: empty, 0.
/// Must not know: anything but the standard library.
#pragma once

#include <string>

namespace pp::this_job {

/// 32 hexadecimal digits, the same in all attempts: a name for what the job leaves behind. The caller finds it as
/// future::id() and in errors.
std::string id();
/// 1 for the first.
unsigned attempt();
/// job_options::label.
std::string label();

}  // namespace pp::this_job
