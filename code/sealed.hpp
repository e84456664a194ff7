// Anonymous memory that a program can be started from, and copying that hashes what it copies.
//
// Promises: after seal() nobody, this process included, can change the bytes; so what was hashed while it was copied is
// what is executed (docs/security.md T18). Must not know: images, the store.
#pragma once

#include <optional>

#include "auth/crypto.hpp"
#include "code/descriptor.hpp"

namespace pp::code {

/// An anonymous file (memfd), executable where the kernel allows it; empty with errno set if there are none.
descriptor make_memory_file(const char* name);
/// Mode 0500 and all seals; false if the kernel refuses, then the file must not be executed.
bool seal(int memory_file);
/// Whether `fd` can be started through /proc/self/fd: not where memory files are not executable, nor without /proc.
bool can_execute(int fd);

struct copied {
  std::uint64_t size = 0;
  auth::digest content{};
  int failure = 0;  ///< errno, 0 if all went well
};
/// Copies all of `from` to the same places of `to` (nowhere if it is -1) and hashes the very bytes that it writes.
copied copy_and_hash(int from, int to);
/// SHA-256 of all of `from`; nullopt if it cannot be read.
std::optional<auth::digest> hash_of(int from);
/// Writes all of `what` at `offset`; 0 or errno.
int write_at(int to, std::uint64_t offset, byte_view what);

}  // namespace pp::code
