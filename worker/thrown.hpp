// An exception in words: type, text, and everything that was nested in it.
//
// Promises: reads any exception, also one that did not come from C++ (a null pointer stands for it) and one whose type
// is not derived from std::exception; a chain that is longer than wire::max_causes is cut.
// Threads: any. Must not know: jobs.
#pragma once

#include <exception>

#include "wire/message.hpp"

namespace pp::worker {

/// Fills type, what and causes.
wire::failure failure_of(const std::exception_ptr& thrown);

}  // namespace pp::worker
