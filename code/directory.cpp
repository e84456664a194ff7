#include "code/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "pp/error.hpp"

namespace pp::code {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw error(errc::bad_option, "the directory " + path.string() + " " + why);
}

/// False if the disk is full or read-only.
bool make_missing(const fs::path& path) {
  fs::path made;
  for (const auto& part : path) {
    made /= part;
    if (::mkdir(made.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int why = errno;
    std::error_code ignored;
    if (fs::is_directory(made, ignored)) continue;  // "/" on a read-only disk, for example
    if (is_disk_trouble(why)) return false;
    refuse(made, "cannot be made: " + std::generic_category().message(why) + "; name another one");
  }
  return true;
}

bool others_can_write(const struct stat& s) { return (s.st_mode & (S_IWGRP | S_IWOTH)) != 0; }

/// Whoever can rename an entry of a parent can put another directory in the place of ours.
void check_parent(const fs::path& path, const struct stat& s) {
  if (s.st_uid != 0 && s.st_uid != ::geteuid()) {
    refuse(path, "belongs to another user (" + std::to_string(s.st_uid) +
                     "), who could replace what is in it: name another one");
  }
  const bool sticky = (s.st_mode & S_ISVTX) != 0;  // like /tmp: entries can be renamed by their owner only
  if (others_can_write(s) && !sticky) refuse(path, "can be written by others: run chmod go-w " + path.string());
}

void check_own(const fs::path& path, const struct stat& s) {
  if (s.st_uid != ::geteuid()) {
    refuse(path, "belongs to another user (" + std::to_string(s.st_uid) + "): name another one");
  }
  if (others_can_write(s)) refuse(path, "can be written by others: run chmod go-w " + path.string());
}

descriptor open_step(int parent, const fs::path& name, const fs::path& whole, struct stat& s) {
  descriptor fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  // A parent may be passable without being readable.
  if (!fd) fd.reset(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || ::fstat(fd.get(), &s) != 0) refuse(whole, "cannot be opened: " + std::generic_category().message(errno));
  return fd;
}

bool is_own_file(const struct stat& s) {
  return S_ISREG(s.st_mode) && s.st_uid == ::geteuid() && s.st_nlink == 1 && !others_can_write(s);
}

}  // namespace

bool is_disk_trouble(int error_number) {
  return error_number == ENOSPC || error_number == EDQUOT || error_number == EROFS || error_number == EIO;
}

descriptor open_private_directory(const fs::path& path) {
  auto wanted = fs::absolute(path).lexically_normal();
  if (!wanted.has_filename()) wanted = wanted.parent_path();  // a '/' at the end
  if (!make_missing(wanted)) return {};
  if (fs::is_symlink(fs::symlink_status(wanted))) refuse(wanted, "is a symbolic link: name the directory itself");
  const auto real = fs::canonical(wanted);
  struct stat s {};
  fs::path whole;
  descriptor fd;
  for (const auto& part : real) {
    if (fd) check_parent(whole, s);
    whole /= part;
    fd = open_step(fd ? fd.get() : AT_FDCWD, part, whole, s);
  }
  check_own(whole, s);
  return fd;
}

descriptor open_subdirectory(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) return {};
  descriptor fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat s {};
  if (!fd || ::fstat(fd.get(), &s) != 0) return {};
  if (s.st_uid == ::geteuid() && !others_can_write(s)) return fd;
  errno = EPERM;
  return {};
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> out;
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = copy >= 0 ? ::fdopendir(copy) : nullptr;
  if (listing == nullptr) {
    if (copy >= 0) ::close(copy);
    return out;
  }
  while (const dirent* e = ::readdir(listing)) {
    const std::string_view name = e->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  ::closedir(listing);
  return out;
}

descriptor open_own_file(int directory, const std::string& name) {
  // O_NONBLOCK: a FIFO under this name must not hold us up.
  descriptor fd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat s {};
  if (!fd || ::fstat(fd.get(), &s) != 0 || !is_own_file(s)) return {};
  return fd;
}

std::optional<struct stat> stat_own_file(int directory, const std::string& name) {
  struct stat s {};
  if (::fstatat(directory, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0 || !is_own_file(s)) return std::nullopt;
  return s;
}

void remove_tree(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || (errno != EISDIR && errno != EPERM)) return;
  {
    const descriptor fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) {
      for (const auto& inner : names_in(fd.get())) remove_tree(fd.get(), inner);
    }
  }
  ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
}

std::string random_name() { return to_hex(auth::random_array<16>()); }

}  // namespace pp::code
