// A stretch of memory that a node and its workers map: a memfd of fixed size.
//
// Promises: nobody can change the file's size, so nobody can make touching the mapping kill (only a machine without
// memory can); memory made for others to read can be mapped for writing by nobody but its maker (F_SEAL_FUTURE_WRITE,
// Linux 5.1; on older kernels a worker that wants to can write it). Pages cost memory when first touched and are
// zero then. Must not know: what is in it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "code/descriptor.hpp"

namespace pp::worker {

class shared_memory {
 public:
  enum class others : std::uint8_t { write, only_read };

  shared_memory() = default;
  /// Throws std::system_error.
  static shared_memory create(const char* name, std::size_t size, others may);
  /// Maps what somebody else made; the descriptor stays the caller's. Throws std::system_error if it is not of `size`.
  static shared_memory open(int fd, std::size_t size, others may);
  shared_memory(shared_memory&& other) noexcept;
  shared_memory& operator=(shared_memory&& other) noexcept;
  ~shared_memory();

  std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// -1 after close_fd().
  int fd() const { return fd_.get(); }
  /// The mapping stays.
  void close_fd() { fd_.reset(); }
  /// True if the kernel keeps everybody else from writing.
  bool is_sealed() const { return is_sealed_; }

 private:
  void map(int fd, int protection);

  code::descriptor fd_;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  bool is_sealed_ = false;
};

}  // namespace pp::worker
