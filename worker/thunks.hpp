// Which addresses a job may name as its decoder: those the compiler entered in this program's table, and no other.
//
// Threads: the worker's job thread only. Must not know: how jobs arrive.
#pragma once

namespace pp::worker {

/// Includes decoders of shared objects that were opened since the last call.
bool is_registered_thunk(const void* address);

}  // namespace pp::worker
