// A run of bytes in memory of somebody's: the heap, a pool of warm buffers, an arena shared with workers.
//
// Large payloads travel through a process as blocks, so that they are written once, where they are needed, and handed
// on without a copy. Promises: the memory stays valid and in place while any copy of the block lives; the last copy
// gives it back. Threads: different copies may be used and dropped in different threads (what gives the memory back
// must allow it); the bytes themselves are not guarded. Must not know: what the bytes mean.
#pragma once

#include <memory>
#include <utility>

#include "base/bytes.hpp"

namespace pp {

class block {
 public:
  block() = default;
  /// `owner` keeps `all` alive and gives it back when the last block of it goes.
  block(std::shared_ptr<void> owner, mutable_byte_view all) : owner_(std::move(owner)), all_(all) {}
  /// Takes over the bytes of a vector.
  static block of(bytes all) {
    auto owner = std::make_shared<bytes>(std::move(all));
    const mutable_byte_view view(*owner);
    return {std::move(owner), view};
  }
  /// Fresh memory of the heap; its content is not set.
  static block on_heap(std::size_t size) {
    std::shared_ptr<std::uint8_t[]> owner(new std::uint8_t[size]);
    auto* const data = owner.get();
    return {std::shared_ptr<void>(std::move(owner), data), {data, size}};
  }

  explicit operator bool() const { return owner_ != nullptr; }
  byte_view view() const { return all_; }
  mutable_byte_view writable() const { return all_; }
  std::size_t size() const { return all_.size(); }
  const std::shared_ptr<void>& owner() const { return owner_; }

 private:
  std::shared_ptr<void> owner_;  ///< owners: whoever still needs the bytes
  mutable_byte_view all_;
};

/// A whole message handed on: `view` is valid during the call; if `owned` is set it holds the same bytes and may be
/// kept.
struct handed_bytes {
  mutable_byte_view view;
  block owned;
};

}  // namespace pp
