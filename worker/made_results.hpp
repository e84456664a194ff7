// The RESULT payloads that a pool makes itself, where no worker could.
//
// Pure. Must not know: workers' processes, owners.
#pragma once

#include "pp/error.hpp"
#include "worker/supervisor.hpp"

namespace pp::worker {

/// The job had not begun.
bytes not_started_result();
/// The worker died while it ran the job.
bytes crash_result(const worker_end& end);
/// The pool was closed while the job ran.
bytes shutdown_result();

}  // namespace pp::worker
