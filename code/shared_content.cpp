#include "code/shared_content.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

#include "code/sealed.hpp"

namespace pp::code {
namespace {

[[noreturn]] void fail_with(int number, const char* what) {
  throw std::system_error(number, std::generic_category(), what);
}

}  // namespace

shared_content::~shared_content() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), static_cast<std::size_t>(size_));
}

// Private, since kernels before Linux 6.7 take a shared mapping for one that could be written, which a seal forbids. What is
// only read is the same memory for all either way.
void shared_content::map() {
  if (data_ != nullptr) return;
  void* const at = ::mmap(nullptr, static_cast<std::size_t>(size_), PROT_READ, MAP_PRIVATE, memory_.get(), 0);
  if (at == MAP_FAILED) fail_with(errno, "a shared value cannot be mapped");
  data_ = static_cast<const std::uint8_t*>(at);
}

content_writer::content_writer() : memory_(make_memory_file("pp-shared")) {
  if (!memory_) fail_with(errno, "no memory file for a shared value");
}

void content_writer::append(byte_view piece) {
  hash_.update(piece);
  if (const int why = write_at(memory_.get(), size_, piece); why != 0) fail_with(why, "no memory for a shared value");
  size_ += piece.size();
}

std::shared_ptr<const shared_content> content_writer::finish() {
  if (!seal(memory_.get())) fail_with(errno, "a shared value cannot be sealed");
  auto out = std::make_shared<shared_content>(hash_.finish(), size_, std::move(memory_));
  out->map();
  return out;
}

}  // namespace pp::code
