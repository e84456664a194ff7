#include "worker/tree_removal.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

#include "code/descriptor.hpp"

namespace pp::worker {
namespace {

constexpr const char* moved_prefix = ".pp-moved-";

using listing = std::unique_ptr<DIR, int (*)(DIR*)>;
listing list(int directory) {
  code::descriptor again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* made = again ? ::fdopendir(again.get()) : nullptr;
  if (made != nullptr) again.release();
  return {made, [](DIR* d) { return ::closedir(d); }};
}
/// Null at the end.
const char* next_name(DIR* from) {
  while (const dirent* entry = ::readdir(from)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") return entry->d_name;
  }
  return nullptr;
}

/// Without permission to read, so that it can be given.
code::descriptor find_directory(int parent, const char* name) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  code::descriptor found(static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how)));
  if (found || (errno != ENOSYS && errno != EPERM)) return found;
  // A kernel before 5.6, or a filter that does not know the call: the device number tells most mounts.
  struct stat above, here;
  found.reset(::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const bool is_same = found && ::fstat(parent, &above) == 0 && ::fstat(found.get(), &here) == 0;
  if (!is_same || above.st_dev != here.st_dev) return {};
  return found;
}

code::descriptor open_directory(int parent, const char* name) {
  const auto found = find_directory(parent, name);
  if (!found) return {};
  // The descriptor's own path is the only way to change the mode of what cannot be opened without following links.
  static_cast<void>(!::chmod(("/proc/self/fd/" + std::to_string(found.get())).c_str(), 0700));
  return code::descriptor(::openat(found.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool remove_simple(int parent, const char* name) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) return false;
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

class portion {
 public:
  portion(int top, std::size_t most) : top_(top), left_(most) {}

  removal run() {
    ::fchmod(top_, 0700);
    for (;;) {
      const auto before = left_;
      const bool had_some = pass();
      if (left_ == 0) return removal::unfinished;
      if (!had_some) return removal::finished;
      if (left_ == before) return removal::stuck;
    }
  }

 private:
  /// True if there was anything.
  bool pass() {
    const auto names = list(top_);
    if (!names) return true;
    bool had_some = false;
    while (left_ > 0) {
      const char* name = next_name(names.get());
      if (name == nullptr) break;
      had_some = true;
      if (remove_simple(top_, name)) {
        --left_;
      } else {
        lift(name);
      }
    }
    return had_some;
  }

  /// Empties a directory, moving the directories inside to the top.
  void lift(const char* name) {
    const auto inner = open_directory(top_, name);
    if (!inner) return;
    const auto names = list(inner.get());
    while (names && left_ > 0) {
      const char* below = next_name(names.get());
      if (below == nullptr) break;
      if (remove_simple(inner.get(), below) || move_up(inner.get(), below)) --left_;
    }
    if (left_ > 0 && ::unlinkat(top_, name, AT_REMOVEDIR) == 0) --left_;
  }

  bool move_up(int from, const char* name) {
    // Its own permissions matter, as its entry ".." is about to change.
    if (!open_directory(from, name)) return false;
    for (int i = 0; i < 100; ++i) {
      const auto free_name = moved_prefix + std::to_string(number_.fetch_add(1, std::memory_order_relaxed));
      if (::renameat2(from, name, top_, free_name.c_str(), RENAME_NOREPLACE) == 0) return true;
      if (errno != EEXIST) return false;
    }
    return false;
  }

  static inline std::atomic<unsigned long> number_{0};
  int top_;
  std::size_t left_;
};

}  // namespace

removal empty_some(int directory, std::size_t most) { return portion(directory, most).run(); }

removal remove_some(int parent, const std::string& name, std::size_t most) {
  if (remove_simple(parent, name.c_str())) return removal::finished;
  const auto directory = open_directory(parent, name.c_str());
  if (!directory) return removal::stuck;
  const auto how = empty_some(directory.get(), most);
  if (how != removal::finished) return how;
  return remove_simple(parent, name.c_str()) ? removal::finished : removal::stuck;
}

}  // namespace pp::worker
