// A node's images by SHA-256: bounded, checked while being sealed, never named by a peer.
//
// Promises: a file's name is 64 hexadecimal digits computed here; nothing is executed that was not hashed while it was copied
// into a sealed memfd (or a 0500 file in a 0700 directory); at most `limit` bytes on disk, least recently used go first; a
// partial or damaged file is never found; several nodes of one user may share the directory.
// When the disk is full or read-only, content is kept in memory for as long as it is in use.
// Threads: the node's I/O thread only.
#pragma once

#include <filesystem>
#include <memory>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "code/launchable.hpp"
#include "code/manifest.hpp"

namespace pp::code {

class store {
 public:
  struct options {
    std::filesystem::path directory;  ///< made 0700 if missing; refused if others can write it or it is not ours
    std::uint64_t limit_bytes = 2ULL << 30U;
  };
  struct counters {
    std::uint64_t bytes_received = 0, modules_received = 0, hits = 0, evicted = 0, bytes_stored = 0;
  };

  /// Throws pp::error with one clear line if the directory cannot be used safely. Sweeps leftovers of a former self.
  explicit store(const options& o);
  ~store();

  /// True if the content is here in full (verified when it is opened, not now).
  bool has(const auth::digest& content) const;

  /// Takes the pieces of one module in order, then checks the hash.
  class incoming {
   public:
    virtual ~incoming() = default;
    /// False if the piece is out of order or goes beyond the announced size.
    virtual bool append(std::uint64_t offset, byte_view piece) = 0;
    virtual bool complete() const = 0;
    /// Puts it into the store. Empty error code on success; bad_message if the hash is wrong.
    virtual std::error_code finish() = 0;
  };
  std::unique_ptr<incoming> receive(const auth::digest& content, std::uint64_t size);

  /// Everything needed to start a worker of this image. The same object for the same image while somebody holds it.
  /// Throws pp::error in words if a module is missing, damaged (then it is forgotten, so NEED asks for it again), or if
  /// neither memfd nor file can be executed.
  std::shared_ptr<const launchable> open(const manifest& m, byte_view encoded);

  const counters& numbers() const { return counters_; }

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
  counters counters_;
};

}  // namespace pp::code
