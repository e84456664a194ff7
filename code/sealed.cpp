#include "code/sealed.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace pp::code {
namespace {

// Newer than Debian 12's headers (Linux 6.3).
constexpr unsigned memfd_exec = 0x10;
constexpr std::size_t copied_at_once = 256 * 1024;

}  // namespace

descriptor make_memory_file(const char* name) {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  descriptor fd(::memfd_create(name, flags | memfd_exec));
  // EINVAL: an older kernel, where all are executable. EACCES: vm.memfd_noexec = 2, where none may be.
  if (!fd && (errno == EINVAL || errno == EACCES)) fd.reset(::memfd_create(name, flags));
  return fd;
}

bool seal(int memory_file) {
  if (::fchmod(memory_file, 0500) != 0) return false;
  return ::fcntl(memory_file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

bool can_execute(int fd) {
  const auto path = "/proc/self/fd/" + std::to_string(fd);
  return ::access(path.c_str(), X_OK) == 0;
}

int write_at(int to, std::uint64_t offset, byte_view what) {
  while (!what.empty()) {
    const ssize_t put = ::pwrite(to, what.data(), what.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : EIO;
    offset += static_cast<std::uint64_t>(put);
    what = what.subspan(static_cast<std::size_t>(put));
  }
  return 0;
}

copied copy_and_hash(int from, int to) {
  copied out;
  auth::sha256_stream hash;
  bytes piece(copied_at_once);
  while (true) {
    const ssize_t got = ::pread(from, piece.data(), piece.size(), static_cast<off_t>(out.size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) out.failure = errno;
    if (got <= 0) break;
    const byte_view part(piece.data(), static_cast<std::size_t>(got));
    hash.update(part);
    if (to >= 0) out.failure = write_at(to, out.size, part);
    if (out.failure != 0) break;
    out.size += part.size();
  }
  out.content = hash.finish();
  return out;
}

std::optional<auth::digest> hash_of(int from) {
  const auto read = copy_and_hash(from, -1);
  if (read.failure != 0) return std::nullopt;
  return read.content;
}

}  // namespace pp::code
