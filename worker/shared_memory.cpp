#include "worker/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace pp::worker {
namespace {

[[noreturn]] void fail_shared(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

shared_memory shared_memory::create(const char* name, std::size_t size, others may) {
  shared_memory made;
  made.fd_.reset(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made.fd_) fail_shared("cannot make the memory shared with a worker");
  if (::ftruncate(made.fd(), static_cast<off_t>(size)) != 0) fail_shared("cannot make the memory shared with a worker");
  made.size_ = size;
  made.map(made.fd(), PROT_READ | PROT_WRITE);
  // After our own mapping, which stays writable.
  if (may == others::only_read) made.is_sealed_ = ::fcntl(made.fd(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0;
  if (::fcntl(made.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    fail_shared("cannot seal the memory shared with a worker");
  }
  return made;
}

shared_memory shared_memory::open(int fd, std::size_t size, others may) {
  struct stat about;
  if (::fstat(fd, &about) != 0) fail_shared("the memory shared with the node is missing");
  if (!S_ISREG(about.st_mode) || static_cast<std::size_t>(about.st_size) != size) {
    errno = EINVAL;
    fail_shared("the descriptor is not the memory shared with the node");
  }
  shared_memory made;
  made.size_ = size;
  made.map(fd, may == others::write ? PROT_READ | PROT_WRITE : PROT_READ);
  return made;
}

void shared_memory::map(int fd, int protection) {
  void* at = ::mmap(nullptr, size_, protection, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) fail_shared("cannot map the memory shared with a worker");
  data_ = static_cast<std::uint8_t*>(at);
}

shared_memory::shared_memory(shared_memory&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      is_sealed_(other.is_sealed_) {}

shared_memory& shared_memory::operator=(shared_memory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(is_sealed_, other.is_sealed_);
  return *this;
}

shared_memory::~shared_memory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace pp::worker
