// A saved job run again, here and now, in the main thread of the program that it belongs to.
//
// Promises: exactly the call that failed: the same function, arguments and environment, in the same program (checked by
// build ids, or by content where there are none). A crash is a crash: nothing is caught but exceptions.
// Threads: main, before any other. Must not know: nodes, workers.
#pragma once

#include <string>

namespace pp::ppclient {

/// Ends the process: 0 it returned, 1 it threw, 65 the capsule cannot be read, 69 this is not its program.
[[noreturn]] void replay(const std::string& capsule_path);

}  // namespace pp::ppclient
