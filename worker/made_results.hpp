// The RESULT payloads that a pool makes itself, where no worker could.
//
// Pure. Must not know: workers' processes, owners.
#pragma once

#include <string>

#include "pp/error.hpp"
#include "worker/supervisor.hpp"

namespace pp::worker {

/// What is known about a run that did not end by itself; 0 = not known.
struct job_facts {
  int pid = 0;
  duration cpu{};
  std::uint64_t peak_memory = 0;
  printed_text printed;
};

/// The job had not begun.
bytes not_started_result();
/// The worker died while it ran the job.
bytes crash_result(const worker_end& end, const job_facts& facts);
/// The job was ended, or its end is not known; `what` is one line.
bytes ended_result(errc code, const std::string& what, const job_facts& facts);
/// The pool was closed while the job ran.
bytes shutdown_result();

}  // namespace pp::worker
