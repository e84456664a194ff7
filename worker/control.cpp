#include "worker/control.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace pp::worker {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

control_page* map_page(int fd) {
  void* at = ::mmap(nullptr, sizeof(control_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) fail("cannot map a worker's control page");
  return static_cast<control_page*>(at);
}

/// Nobody may shrink the file later: touching the mapping behind its end would kill the node.
void make_size_final(int fd) {
  if (::ftruncate(fd, sizeof(control_page)) != 0) fail("cannot make a worker's control page");
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    fail("cannot seal a worker's control page");
}

bool is_control_file(int fd) {
  struct stat about;
  return ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == sizeof(control_page);
}

}  // namespace

control_mapping control_mapping::create() {
  const int fd = ::memfd_create("pp-control", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) fail("cannot make a worker's control page");
  control_mapping made(fd, nullptr);
  make_size_final(fd);
  made.page_ = map_page(fd);  // fresh memory is zero: every claim is `done`, every total 0
  made.page_->magic = control_magic;
  made.page_->kept = stream_part;
  return made;
}

control_mapping control_mapping::open(int fd) {
  if (!is_control_file(fd)) {
    errno = EINVAL;
    fail("the descriptor is no control page");
  }
  control_mapping made(-1, map_page(fd));
  if (made.page_->magic != control_magic) {
    errno = EPROTO;
    fail("the descriptor is no control page of this version");
  }
  return made;
}

control_mapping::control_mapping(control_mapping&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), page_(std::exchange(other.page_, nullptr)) {}

control_mapping& control_mapping::operator=(control_mapping&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(page_, other.page_);
  return *this;
}

control_mapping::~control_mapping() {
  if (page_ != nullptr) ::munmap(page_, sizeof(control_page));
  if (fd_ >= 0) ::close(fd_);
}

void control_mapping::set(std::uint64_t sequence, claim state) {
  page_->claims[sequence % claim_slots].store(claim_word(sequence, state), std::memory_order_release);
}

bool control_mapping::move(std::uint64_t sequence, claim from, claim to) {
  std::uint64_t expected = claim_word(sequence, from);
  return page_->claims[sequence % claim_slots].compare_exchange_strong(
      expected, claim_word(sequence, to), std::memory_order_acq_rel, std::memory_order_acquire);
}

claim control_mapping::state_of(std::uint64_t sequence) const {
  const std::uint64_t word = page_->claims[sequence % claim_slots].load(std::memory_order_acquire);
  // Another sequence in the slot: this one was passed long ago.
  return word >> 2U == (sequence & (~0ULL >> 2U)) ? static_cast<claim>(word & 3U) : claim::done;
}

}  // namespace pp::worker
