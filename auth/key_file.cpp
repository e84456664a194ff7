#include "auth/key_file.hpp"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/crypto.hpp"

namespace pp::auth {
namespace {

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

std::string words_of(int number) { return std::generic_category().message(number); }

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode) & 07777U);
  return text;
}

bool is_trusted(uid_t owner) { return owner == ::geteuid() || owner == 0; }

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

/// Why somebody else could put another file in the place of one in this directory; empty if nobody can. In a sticky
/// directory only the owners of the file and of the directory can, and both are trusted by then.
std::string why_replaceable(const std::filesystem::path& directory, const struct stat& s) {
  if (!is_trusted(s.st_uid)) {
    return "the directory " + directory.string() +
           " belongs to another user: keep the keyring in a directory of your own";
  }
  if ((s.st_mode & 022U) == 0 || (s.st_mode & S_ISVTX) != 0) return {};
  return "the directory " + directory.string() + " can be written by others (mode " + octal(s.st_mode) +
         "): run chmod go-w " + directory.string();
}

std::string why_unsafe(const std::filesystem::path& path, const struct stat& s, key_file_kind kind) {
  const std::string name = "keyring " + path.string();
  if (!S_ISREG(s.st_mode)) return name + " is not a regular file: name the file itself";
  if (!is_trusted(s.st_uid)) return name + " belongs to another user: copy it to a file of your own with mode 0600";
  const mode_t forbidden = kind == key_file_kind::credential && s.st_uid == 0 ? 037U : 077U;
  if ((s.st_mode & forbidden) != 0) {
    return name + " can be read by others (mode " + octal(s.st_mode) + "): run chmod 600 " + path.string();
  }
  if (s.st_size == 0)
    return name + " is empty: make a key with `ppserver key new`, or bring one with `ppserver key import`";
  if (s.st_size > static_cast<off_t>(max_key_file)) return name + " is larger than 64 KiB: this is no keyring";
  return {};
}

[[noreturn]] void refuse(const std::string& text) { throw error(errc::refused, text); }

secret read_all(int fd, const std::string& name) {
  secret buffer(max_key_file + 1);
  std::size_t size = 0;
  while (size < buffer.size()) {
    const auto got = ::read(fd, buffer.writable().data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(name + " cannot be read: " + words_of(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size == 0) refuse(name + " is empty: a keyring or a key was expected");
  if (size > max_key_file) refuse(name + " gives more than 64 KiB: this is no keyring");
  return secret(buffer.view().first(size));
}

/// Opens the directory that holds `path`; on failure errno tells why.
int open_directory(const std::filesystem::path& path) {
  return ::open(directory_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void check_directory(int fd, const std::filesystem::path& path) {
  struct stat s {};
  if (::fstat(fd, &s) != 0)
    refuse("the directory of keyring " + path.string() + " cannot be examined: " + words_of(errno));
  if (const auto why = why_replaceable(directory_of(path), s); !why.empty()) refuse(why);
}

[[noreturn]] void refuse_open(const std::filesystem::path& path, int number) {
  if (number == ELOOP) refuse("keyring " + path.string() + " is a symbolic link: name the file itself");
  refuse("keyring " + path.string() + " cannot be opened: " + words_of(number));
}

bool is_absent(int number) { return number == ENOENT || number == ENOTDIR; }

}  // namespace

std::optional<secret> read_key_file(const std::filesystem::path& path, key_file_kind kind) {
  const descriptor directory(open_directory(path));
  if (!directory && is_absent(errno)) return std::nullopt;
  if (!directory) refuse_open(path, errno);
  // Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
  const descriptor file(
      ::openat(directory.get(), path.filename().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file && is_absent(errno)) return std::nullopt;
  if (!file) refuse_open(path, errno);
  struct stat s {};
  if (::fstat(file.get(), &s) != 0) refuse_open(path, errno);
  if (const auto why = why_unsafe(path, s, kind); !why.empty()) refuse(why);
  check_directory(directory.get(), path);
  return read_all(file.get(), "keyring " + path.string());
}

secret read_key_descriptor(int fd, const std::string& name) {
  const descriptor owned(fd);
  return read_all(fd, name);
}

namespace {

[[noreturn]] void refuse_writing(const std::filesystem::path& path, const std::string& why) {
  throw unwritable_key_file("keyring " + path.string() + " cannot be written: " + why);
}

void make_directories(const std::filesystem::path& directory, const std::filesystem::path& wanted) {
  if (directory.empty() || ::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT || directory == directory.parent_path()) {
    refuse_writing(wanted, directory.string() + ": " + words_of(errno));
  }
  make_directories(directory.parent_path(), wanted);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    refuse_writing(wanted, directory.string() + ": " + words_of(errno));
  }
}

bool write_all(int fd, byte_view content) {
  while (!content.empty()) {
    const auto done = ::write(fd, content.data(), content.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    content = content.subspan(static_cast<std::size_t>(done));
  }
  return ::fsync(fd) == 0;
}

int directory_for(const std::filesystem::path& path) {
  make_directories(path.has_parent_path() ? path.parent_path() : std::filesystem::path(), path);
  const int fd = open_directory(path);
  if (fd < 0) refuse_writing(path, words_of(errno));
  return fd;
}

/// A complete file with a name of its own beside the place where it belongs; gone on destruction unless it was renamed.
class new_file {
 public:
  new_file(const std::filesystem::path& path, byte_view content) : path_(path), directory_(directory_for(path)) {
    check_directory(directory_.get(), path);
    const descriptor file(
        ::openat(directory_.get(), name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) refuse_writing(path, words_of(errno));
    if (write_all(file.get(), content)) return;
    const int number = errno;
    remove();
    refuse_writing(path, words_of(number));
  }
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;
  ~new_file() { remove(); }

  /// False if there is a file already.
  bool link() {
    if (::linkat(directory_.get(), name_.c_str(), directory_.get(), path_.filename().c_str(), 0) == 0) return true;
    if (errno == EEXIST) return false;
    refuse_writing(path_, words_of(errno));
  }
  void rename() {
    if (::renameat(directory_.get(), name_.c_str(), directory_.get(), path_.filename().c_str()) != 0) {
      refuse_writing(path_, words_of(errno));
    }
  }

 private:
  void remove() { ::unlinkat(directory_.get(), name_.c_str(), 0); }

  const std::filesystem::path path_;
  const std::string name_ = ".keyring." + to_hex(random_array<8>());
  const descriptor directory_;
};

}  // namespace

bool create_key_file(const std::filesystem::path& path, byte_view content) { return new_file(path, content).link(); }

void replace_key_file(const std::filesystem::path& path, byte_view content) { new_file(path, content).rename(); }

}  // namespace pp::auth
