#include "ppserver/pid_file.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pp/error.hpp"

namespace pp::ppserver {
namespace {

long pid_in(const std::string& path) {
  std::ifstream file(path);
  long pid = 0;
  file >> pid;
  return file && pid > 0 ? pid : 0;
}

// A pid alone says little: after a crash the number may belong to anything.
bool is_living_ppserver(long pid) {
  if (pid == getpid() || (kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return false;
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name == "ppserver";
}

[[noreturn]] void cannot_write(const std::string& path) {
  throw error(errc::bad_option,
              "cannot write the pid file " + path + ": " + std::strerror(errno) + "; choose another with -P");
}

}  // namespace

void pid_file::check(const std::string& path) {
  const long pid = pid_in(path);
  if (pid == 0 || !is_living_ppserver(pid)) return;
  throw error(errc::overloaded, "a ppserver with the pid file " + path + " is running (pid " + std::to_string(pid) +
                                    "): stop it, or choose another file with -P");
}

// Written beside and renamed: a reader finds a whole number or no file.
pid_file::pid_file(std::string path) {
  check(path);
  const std::string fresh = path + "." + std::to_string(getpid());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) cannot_write(path);
  const std::string text = std::to_string(getpid()) + "\n";
  const bool written =
      fchmod(fd, 0644) == 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(fresh.c_str());
    errno = why;
    cannot_write(path);
  }
  path_ = std::move(path);
}

pid_file::pid_file(pid_file&& other) noexcept : path_(std::exchange(other.path_, {})) {}

pid_file& pid_file::operator=(pid_file&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

void pid_file::remove() noexcept {
  if (path_.empty()) return;
  if (pid_in(path_) == getpid()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace pp::ppserver
