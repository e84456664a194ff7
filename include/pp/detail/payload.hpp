// The bytes of one job, arguments on the way out and result on the way back: up to 64 inside, beyond that one heap block, or a
// warm buffer of the library where they are many.
//
// Promises: append() is amortised constant and throws only std::bad_alloc or payload_too_large (above 1 GiB + 64 KiB); what is
// appended at once gets its room at once; memory is kept by clear() and given back by reset(). Threads: one at a time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "pp/detail/large_memory.hpp"

namespace pp::detail {

/// More than one job may carry; also what a result beyond the limit ends in.
class payload_too_large : public std::length_error {
 public:
  payload_too_large() : std::length_error("pp: more than 1 GiB for one job") {}
};

class payload {
 public:
  static constexpr std::size_t inline_bytes = 64;
  static constexpr std::size_t max_bytes = (std::size_t{1} << 30U) + 64 * 1024;

  payload() noexcept {}
  payload(const payload&) = delete;
  payload& operator=(const payload&) = delete;
  payload(payload&& other) noexcept { take(other); }
  payload& operator=(payload&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~payload() { reset(); }

  const std::uint8_t* data() const noexcept { return capacity_ == inline_bytes ? inside_ : heap_; }
  std::uint8_t* data() noexcept { return capacity_ == inline_bytes ? inside_ : heap_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool is_inline() const noexcept { return capacity_ == inline_bytes; }

  void append(const void* from, std::size_t count) {
    if (count == 0) return;
    std::memcpy(extend(count), from, count);
  }
  /// Appends `count` bytes that the caller fills; they begin at the returned address.
  std::uint8_t* extend(std::size_t count) {
    if (count > capacity_ - size_) grow(count);
    std::uint8_t* room = data() + size_;
    size_ += static_cast<std::uint32_t>(count);
    return room;
  }
  void assign(const void* from, std::size_t count) {
    size_ = 0;
    append(from, count);
  }
  void clear() noexcept { size_ = 0; }
  void reset() noexcept {
    free_memory();
    capacity_ = inline_bytes;
    size_ = 0;
  }

 private:
  void take(payload& other) noexcept {
    size_ = other.size_;
    capacity_ = other.capacity_;
    std::memcpy(inside_, other.inside_, inline_bytes);  // the heap pointer lies in the same bytes
    other.capacity_ = inline_bytes;
    other.size_ = 0;
  }
  void grow(std::size_t more) {
    const std::size_t wanted = size_ + more;
    if (more > max_bytes || wanted > max_bytes) throw payload_too_large();
    std::size_t room = std::size_t{capacity_} * 2;
    if (room > max_bytes) room = max_bytes;
    if (room < wanted) room = wanted;
    std::uint8_t* const fresh = room < large_memory ? more_of_heap(room) : more_of_large(room);
    heap_ = fresh;
    capacity_ = static_cast<std::uint32_t>(room < max_bytes ? room : max_bytes);
  }
  std::uint8_t* more_of_heap(std::size_t room) {
    auto* const fresh = static_cast<std::uint8_t*>(is_inline() ? std::malloc(room) : std::realloc(heap_, room));
    if (fresh == nullptr) throw std::bad_alloc();
    if (is_inline()) std::memcpy(fresh, inside_, size_);
    return fresh;
  }
  std::uint8_t* more_of_large(std::size_t& room) {
    std::uint8_t* const fresh = take_large(room);
    std::memcpy(fresh, data(), size_);
    free_memory();
    return fresh;
  }
  void free_memory() noexcept {
    if (is_inline()) return;
    if (capacity_ >= large_memory) {
      give_large(heap_, capacity_);
    } else {
      std::free(heap_);
    }
  }

  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = inline_bytes;
  union {
    std::uint8_t inside_[inline_bytes];
    std::uint8_t* heap_;
  };
};

}  // namespace pp::detail
