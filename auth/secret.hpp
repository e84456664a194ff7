// Bytes that are erased when they go and cannot be printed, copied or logged.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"

namespace pp::auth {

/// Memory from OpenSSL's secure heap where there is one (locked, not in core dumps); erased on destruction.
class secret {
 public:
  secret() = default;
  explicit secret(std::size_t size);
  explicit secret(byte_view from);
  secret(const secret&) = delete;
  secret& operator=(const secret&) = delete;
  secret(secret&& other) noexcept;
  secret& operator=(secret&& other) noexcept;
  ~secret();

  /// The only way in; the view is valid while the secret lives.
  byte_view view() const { return {data_, size_}; }
  mutable_byte_view writable() { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  void erase() noexcept;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pp::auth
