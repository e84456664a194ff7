#include "code/run_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "code/directory.hpp"

namespace pp::code {
namespace {

constexpr std::string_view lock_ending = ".lock";
constexpr int lock_tries = 8;

/// Locks a mark; empty if somebody holds it or it was removed meanwhile.
descriptor lock_mark(int base, const std::string& name, int flags) {
  descriptor fd(::openat(base, name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  struct stat s {};
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || ::fstat(fd.get(), &s) != 0) return {};
  if (s.st_nlink == 0) {
    errno = EAGAIN;
    return {};
  }
  return fd;
}

}  // namespace

std::shared_ptr<run_directory> run_directory::make(int base, const std::filesystem::path& path) {
  std::shared_ptr<run_directory> out(new run_directory);
  out->base_.reset(::fcntl(base, F_DUPFD_CLOEXEC, 3));
  // A sweeper can be faster than our lock: then another name is taken.
  for (int i = 0; i < lock_tries && !out->lock_; ++i) {
    out->name_ = random_name();
    out->lock_ = lock_mark(base, out->name_ + std::string(lock_ending), O_CREAT | O_EXCL);
    if (!out->lock_ && is_disk_trouble(errno)) return nullptr;
  }
  if (!out->lock_) return nullptr;
  out->self_ = open_subdirectory(base, out->name_);
  out->path_ = path / out->name_;
  return out->self_ ? out : nullptr;
}

run_directory::~run_directory() {
  if (!lock_) return;
  remove_tree(base_.get(), name_);
  ::unlinkat(base_.get(), (name_ + std::string(lock_ending)).c_str(), 0);  // last: it is what keeps sweepers away
}

void run_directory::sweep(int base) {
  for (const auto& name : names_in(base)) {
    if (!name.ends_with(lock_ending)) continue;
    if (const auto lock = lock_mark(base, name, 0)) {
      remove_tree(base, name.substr(0, name.size() - lock_ending.size()));
      ::unlinkat(base, name.c_str(), 0);
    }
  }
}

std::shared_ptr<run_folder> run_folder::make(std::shared_ptr<run_directory> in) {
  auto name = in->next_name();
  auto self = open_subdirectory(in->fd(), name);
  if (!self) return nullptr;
  return std::shared_ptr<run_folder>(new run_folder(std::move(in), std::move(name), std::move(self)));
}

run_folder::run_folder(std::shared_ptr<run_directory> in, std::string name, descriptor self)
    : in_(std::move(in)), name_(std::move(name)), self_(std::move(self)) {}

run_folder::~run_folder() { remove_tree(in_->fd(), name_); }

}  // namespace pp::code
