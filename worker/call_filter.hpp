// The system calls that a sandboxed worker may not make, as a program for the kernel's filter (seccomp).
//
// Denied calls fail with EPERM: those that look into other processes, change mounts or namespaces, load code into the
// kernel, or use its key store. clone3 fails with ENOSYS, so that libraries use clone, whose flags can be looked at. A
// call of another architecture ends the process. Promises: a constant. Must not know: Landlock, namespaces.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace pp::worker {

/// Empty on architectures for which there is none.
const std::vector<sock_filter>& call_filter();

}  // namespace pp::worker
