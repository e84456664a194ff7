#include "auth/secret.hpp"

#include <cstring>
#include <new>
#include <utility>

#include <openssl/crypto.h>

namespace pp::auth {
namespace {

// Room for some hundred keys of nine derived secrets each. Where memory may not be locked OpenSSL still gives the heap,
// and where there is no heap, or it is full, its allocator falls back to ordinary memory: less protected, still erased.
constexpr std::size_t heap_size = 512 * 1024;
constexpr std::size_t smallest_block = 32;

bool start_heap() {
  if (CRYPTO_secure_malloc_initialized() != 1) CRYPTO_secure_malloc_init(heap_size, smallest_block);
  return true;
}

std::uint8_t* allocate(std::size_t size) {
  static const bool started = start_heap();
  static_cast<void>(started);
  if (size == 0) return nullptr;
  void* memory = OPENSSL_secure_zalloc(size);
  if (memory == nullptr) memory = OPENSSL_zalloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::uint8_t*>(memory);
}

}  // namespace

secret::secret(std::size_t size) : data_(allocate(size)), size_(size) {}

secret::secret(byte_view from) : secret(from.size()) {
  if (!from.empty()) std::memcpy(data_, from.data(), from.size());
}

secret::secret(secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

secret& secret::operator=(secret&& other) noexcept {
  if (this != &other) {
    erase();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

secret::~secret() { erase(); }

void secret::erase() noexcept {
  OPENSSL_secure_clear_free(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace pp::auth
