// A node's images by SHA-256: bounded, checked while being sealed, never named by a peer.
//
// Promises: a file's name is 64 hexadecimal digits computed here; nothing is executed that was not hashed while it was
// copied into a sealed memfd (or a 0500 file in a 0700 directory); at most `limit` bytes on disk, least recently used
// go first; a partial or damaged file is never found; several nodes of one user may share the directory.
// When the disk is full or read-only, content is kept in memory for as long as it is in use; so are values that jobs share,
// always.
// Threads: the node's I/O thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "code/descriptor.hpp"
#include "code/launchable.hpp"
#include "code/manifest.hpp"
#include "code/shared_content.hpp"
#include "pp/error.hpp"

namespace pp::code {

/// The inside; store_state.hpp.
struct store_state;

class store {
 public:
  struct options {
    std::filesystem::path directory;  ///< made 0700 if missing; refused if others can write it or it is not ours
    std::uint64_t limit_bytes = 2ULL << 30U;
    /// False: programs run from 0500 files, as where the kernel forbids executable memory files.
    bool allow_memfd = true;
  };
  struct counters {
    std::uint64_t bytes_received = 0, modules_received = 0;
    std::uint64_t hits = 0;          ///< modules that an opened image found here without their being sent for it
    std::uint64_t evicted = 0;       ///< modules removed to make room
    std::uint64_t damaged = 0;       ///< modules forgotten because their bytes no longer had their hash
    std::uint64_t bytes_stored = 0;  ///< on disk and in memory, as of the last change made here
  };
  /// Thrown by open(): these modules must be sent (again).
  class missing : public error {
   public:
    missing(std::vector<std::uint16_t> which, const std::string& text)
        : error(errc::bad_message, text), which_(std::move(which)) {}
    const std::vector<std::uint16_t>& modules() const { return which_; }

   private:
    std::vector<std::uint16_t> which_;
  };

  /// Throws pp::error with one clear line if the directory cannot be used safely. Sweeps leftovers of a former self.
  explicit store(const options& o);
  ~store();

  /// True if the content is here in full (verified when it is opened, not now). Counts as a use: it is not the next to
  /// go.
  bool has(const auth::digest& content) const;
  /// The same without being a use.
  bool knows(const auth::digest& content) const;

  /// Where content is put that is received: on disk to stay, or in memory until nobody needs it.
  enum class place : std::uint8_t { disk, memory };

  /// Content to be read, as it lies here (not verified); empty if it is not here.
  descriptor read(const auth::digest& content) const;

  /// Takes the pieces of one module in order, then checks the hash. Must not outlive the store; nothing is kept if it
  /// goes before finish().
  class incoming {
   public:
    virtual ~incoming() = default;
    /// False if the piece is out of order or goes beyond the announced size.
    virtual bool append(std::uint64_t offset, byte_view piece) = 0;
    virtual bool complete() const = 0;
    /// Puts it into the store. Empty error code on success; bad_message if the hash is wrong or bytes are missing; an
    /// error of the system if there was neither disk nor memory for it. Call once.
    virtual std::error_code finish() = 0;
  };
  /// Makes room first. Throws pp::error in words: unfit_node if it is larger than the whole store, overloaded if the
  /// store is full of what is being received at this moment.
  std::unique_ptr<incoming> receive(const auth::digest& content, std::uint64_t size, place where = place::disk);

  /// Everything needed to start a worker of this image. The same object for the same image while somebody holds it.
  /// Requires: `encoded` decodes to `m`. Throws `missing` if a module is missing or damaged (then it is forgotten), and
  /// other pp::errors in words if neither memfd nor file can be executed or there is no room. What it gives may outlive
  /// the store.
  std::shared_ptr<const launchable> open(const manifest& m, byte_view encoded);

  /// A value that jobs share. Throws `missing` as above, other pp::errors where there is no memory for it.
  shared_pointer open_value(const auth::digest& content);
  /// What was received into memory and never opened need not be kept.
  void let_go(const auth::digest& content);

  const counters& numbers() const;

 private:
  std::unique_ptr<store_state> state_;
};

}  // namespace pp::code
