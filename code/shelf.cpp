#include "code/shelf.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "code/directory.hpp"

namespace pp::code {
namespace {

constexpr std::string_view partial_beginning = "part-";
constexpr int name_tries = 8;

std::optional<auth::digest> digest_in(const std::string& name) {
  const auto raw = from_hex(name);
  auth::digest out{};
  if (raw.size() != out.size() || to_hex(raw) != name) return std::nullopt;
  std::copy(raw.begin(), raw.end(), out.begin());
  return out;
}

}  // namespace

shelf::partial::partial(int directory, std::string name, descriptor fd)
    : directory_(directory), name_(std::move(name)), fd_(std::move(fd)) {}
shelf::partial::partial(partial&& other) noexcept
    : directory_(other.directory_), name_(std::exchange(other.name_, {})), fd_(std::move(other.fd_)) {}
shelf::partial::~partial() {
  if (!name_.empty()) ::unlinkat(directory_, name_.c_str(), 0);
}

int shelf::partial::publish(const auth::digest& content) {
  // No fsync: a file that a power failure has emptied fails its hash when it is opened, and is fetched again.
  if (::fchmod(fd_.get(), 0400) != 0) return errno;
  if (::renameat(directory_, name_.c_str(), directory_, to_hex(content).c_str()) != 0) return errno;
  name_.clear();
  return 0;
}

std::vector<shelf::entry> shelf::entries() const {
  std::vector<entry> out;
  if (!directory_) return out;
  for (const auto& name : names_in(fd())) {
    const auto content = digest_in(name);
    const auto s = content ? stat_own_file(fd(), name) : std::nullopt;
    if (s)
      out.push_back(
          {*content, static_cast<std::uint64_t>(s->st_size), s->st_mtim.tv_sec * 1'000'000'000 + s->st_mtim.tv_nsec});
  }
  return out;
}

bool shelf::has(const auth::digest& content) const {
  return directory_ && stat_own_file(fd(), to_hex(content)).has_value();
}

descriptor shelf::open(const auth::digest& content) const {
  return directory_ ? open_own_file(fd(), to_hex(content)) : descriptor();
}

void shelf::touch(const auth::digest& content) const {
  // Not UTIME_NOW, whose coarse clock would leave the order of two quick uses open.
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const timespec times[2] = {now, now};
  if (directory_) ::utimensat(fd(), to_hex(content).c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void shelf::remove(const auth::digest& content) {
  if (directory_) remove_tree(fd(), to_hex(content));
}

std::optional<shelf::partial> shelf::begin() {
  if (!directory_) {
    errno = EROFS;
    return std::nullopt;
  }
  // Locked, so that sweepers of other processes leave it alone; they can be faster than the lock, then another name is
  // taken.
  for (int i = 0; i < name_tries; ++i) {
    const auto name = std::string(partial_beginning) + random_name();
    descriptor fd(::openat(directory_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return std::nullopt;
    partial made(directory_.get(), name, std::move(fd));
    if (::flock(made.fd(), LOCK_EX | LOCK_NB) == 0 && stat_own_file(directory_.get(), name)) return made;
  }
  errno = EAGAIN;
  return std::nullopt;
}

void shelf::sweep() {
  if (!directory_) return;
  for (const auto& name : names_in(fd())) {
    if (!name.starts_with(partial_beginning)) continue;
    const auto file = open_own_file(fd(), name);
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(fd(), name.c_str(), 0);
  }
}

}  // namespace pp::code
