// This program as others will run it: its files, their hash, and where each function lies in them.
//
// Promises: the program is opened through /proc/self/exe once, when the process starts (pp::init), and all is read from
// that descriptor, so replacing the file on disk changes nothing. What is hashed is what is shipped: debug sections
// behind the last loaded segment are left out. System libraries (/lib, /usr/lib, …) are not part of an image.
// Threads: snapshot() and locate() from any thread at once; an image is constant once made.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "code/launchable.hpp"
#include "code/location.hpp"
#include "code/manifest.hpp"

namespace pp::code {

class image {
 public:
  /// Opens /proc/self/exe; called by pp::init so that the running file is held from the start. Throws pp::error if it
  /// cannot be read.
  static void remember_program();
  /// The program and every non-system shared object loaded now. Throws pp::error with a clear line.
  static std::shared_ptr<const image> snapshot();

  /// A program of somebody else's, of which nodes have the files: only its list is known here. Throws pp::error for bytes that
  /// are no manifest.
  static std::shared_ptr<const image> told(byte_view encoded);
  /// Of a told image nothing can be read, located or launched here.
  bool is_told() const;

  const image_id& id() const { return id_; }
  const manifest& contents() const { return contents_; }
  const bytes& encoded() const { return encoded_; }
  /// Reads part of what is shipped of a module; `to.size()` bytes from `offset`. Throws pp::error if that fails.
  void read(std::size_t module, std::uint64_t offset, mutable_byte_view to) const;

  /// The file of a module as it was when the image was made, whatever lies under its name now; borrowed.
  int descriptor(std::size_t module) const;
  /// Under which name it was opened.
  const std::string& path(std::size_t module) const;

  /// Where `address` lies; nullopt if it is in none of the image's modules (see describe_stranger).
  std::optional<location> locate(const void* address) const;
  /// For local workers: this very program and its original shared objects.
  std::shared_ptr<const launchable> as_launchable() const;

  ~image();

 private:
  image();
  struct impl;
  std::unique_ptr<impl> impl_;
  image_id id_{};
  manifest contents_;
  bytes encoded_;
};

/// Why an address can be in no image: the system library it belongs to and the advice to wrap it in a lambda; empty if
/// it lies in a module that a new snapshot() would contain.
std::string describe_stranger(const void* address);

}  // namespace pp::code
