// Landlock: the kernel's list of what a process and its children may open.
//
// Promises: works with the headers of any system and asks the kernel what it can; nothing here changes this process.
// Threads: any. Must not know: why a path is granted or left out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "code/descriptor.hpp"

namespace pp::worker {

/// The version of Landlock that the kernel has: 0 = none (or switched off), 2 = renaming (Linux 5.19), 3 = truncating
/// (6.2), 4 = TCP (6.7), 6 = signals and abstract sockets (6.12).
int landlock_abi() noexcept;

/// Sets of rights; those that the kernel does not know are left out when it is asked.
namespace landlock_right {
constexpr std::uint64_t execute = 1U << 0U, write_file = 1U << 1U, read_file = 1U << 2U, read_dir = 1U << 3U;
constexpr std::uint64_t truncate = 1U << 14U;
constexpr std::uint64_t everything = (1U << 15U) - 1;  ///< reading, writing, making, removing, renaming
constexpr std::uint64_t of_files = execute | write_file | read_file | truncate;
constexpr std::uint64_t run = execute | read_file | read_dir;
constexpr std::uint64_t look = read_file | read_dir;
}  // namespace landlock_right

/// What a ruleset is asked about. The rest of the world stays allowed.
struct landlock_scope {
  std::uint64_t rights = 0;       ///< for files and directories
  bool tcp = false;               ///< binding and connecting: denied
  bool signals = false;           ///< to processes outside: denied
  bool abstract_sockets = false;  ///< made by processes outside: denied
};

class landlock_ruleset {
 public:
  /// Throws std::system_error if the kernel refuses. What is newer than the kernel is left out.
  explicit landlock_ruleset(const landlock_scope& what);

  /// Everything at and below `path`, which is skipped if it is missing or a symbolic link.
  void allow(const std::string& path, std::uint64_t rights);
  /// The same of an open file or directory; anonymous ones need no permission and are skipped.
  void allow(int fd, std::uint64_t rights);
  code::descriptor take() { return std::move(self_); }

 private:
  std::uint64_t handled_ = 0;
  code::descriptor self_;
};

/// The names in a directory that are no symbolic links; none if it cannot be read.
using directory_reader = std::function<std::vector<std::string>(const std::string& path)>;
std::vector<std::string> names_below(const std::string& path);

/// The shortest list of paths that together hold everything of `root` but `spared` and what is below those. All paths
/// are absolute, without links and without a '/' at the end. Landlock can only allow; this is how it is made to forbid:
/// what is made later directly in a directory that leads to a spared path is not in the list.
std::vector<std::string> all_but(const std::string& root, const std::vector<std::string>& spared,
                                 const directory_reader& read = names_below);

}  // namespace pp::worker
