// A sandboxed worker is process 1 of its own process ids, and to such a process the kernel delivers no signal that it
// has not asked for, unless it comes from outside: abort() or raise(SIGTERM) in a job would do nothing.
//
// So a worker that is process 1 ends itself with status 128 + signal, and its node reads that as the signal. What is
// not covered: raise(SIGKILL) in such a job does nothing. Must not know: jobs.
#pragma once

namespace pp::worker {

/// Does nothing in a process that is not process 1. Handlers that are there stay.
void take_signals_of_first_process();

/// The signal that an exit status of such a worker stands for; 0 if it is none.
int signal_of_status(int status);

}  // namespace pp::worker
