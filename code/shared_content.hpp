// Content in a sealed memory file: a value that jobs share, or a file of a program for which the disk has no room.
//
// Promises: once made it never changes, whoever has the descriptor; the memory is free when the last owner goes.
// Owner: whoever needs it now, hence shared_ptr: the store, images, jobs, handles. Threads: constant once it is handed on.
// Must not know: what the bytes mean.
#pragma once

#include <cstdint>
#include <memory>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "code/descriptor.hpp"

namespace pp::code {

class shared_content {
 public:
  /// Requires: `memory` is a sealed memory file of `size` bytes whose SHA-256 is `id`.
  shared_content(const auth::digest& id, std::uint64_t size, descriptor memory)
      : id_(id), size_(size), memory_(std::move(memory)) {}
  shared_content(const shared_content&) = delete;
  shared_content& operator=(const shared_content&) = delete;
  ~shared_content();

  const auth::digest& id() const { return id_; }
  std::uint64_t size() const { return size_; }
  /// -1 after close_fd().
  int fd() const { return memory_.get(); }

  /// Makes the bytes readable at bytes(). Throws std::system_error.
  void map();
  /// The mapping stays.
  void close_fd() { memory_.reset(); }
  /// Empty before map().
  byte_view bytes() const { return {data_, data_ != nullptr ? static_cast<std::size_t>(size_) : 0}; }

 private:
  auth::digest id_;
  std::uint64_t size_;
  descriptor memory_;
  const std::uint8_t* data_ = nullptr;
};
using shared_pointer = std::shared_ptr<const shared_content>;

/// Makes content of pieces, which are hashed while they are written.
class content_writer {
 public:
  /// Throws std::system_error.
  content_writer();
  /// Throws std::system_error when there is no memory.
  void append(byte_view piece);
  /// Mapped. Requires: something was appended. Throws std::system_error. Call once.
  std::shared_ptr<const shared_content> finish();

 private:
  descriptor memory_;
  std::uint64_t size_ = 0;
  auth::sha256_stream hash_;
};

}  // namespace pp::code
