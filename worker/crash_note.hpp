// The last words of a worker that crashes: signal, address, stack, and the exception that std::terminate was called for.
//
// The worker's signal handlers write them into the control page; the node reads them when the process is dead.
// Promises: the worker still dies of the very signal that hit it, at latest two seconds later. A signal for which the
// program, a sanitizer or a job has a handler of its own is left to that one. A stack overflow of the thread that runs
// jobs is noted too (a stack of our own). A process that a job forked notes nothing. The node takes nothing of the page
// on trust.
// Must not know: who asks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/control.hpp"

namespace pp::worker {

class code_lookup;

/// Worker side, once, by the thread that runs jobs; both must live as long as the process.
void note_crashes(crash_page& to, const code_lookup& code);

struct crash_note {
  int signal = 0;  ///< 0: nothing was noted
  bool has_terminated = false;
  std::uint64_t address = 0;
  std::vector<std::uint64_t> stack;
  std::string type, what;
};
/// Node side. Nothing if the note is about another signal than the one that ended the worker. One that is process 1 of
/// a namespace cannot send itself signals: it exits with 128 + the signal.
crash_note read_crash_note(const crash_page& page, int signal, int status = 0);
/// To be put behind "was killed by signal 11 (Segmentation fault)": " at address 0x10", "; terminate called: …".
std::string in_words(const crash_note& note);

}  // namespace pp::worker
