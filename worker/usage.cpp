#include "worker/usage.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/cpus.hpp"
#include "code/descriptor.hpp"

namespace pp::worker {
namespace {

constexpr std::size_t most_processes = 4096;  // of one tree; a fork bomb must not keep the node from its work
constexpr std::size_t most_threads = 256;     // of one process, whose children are looked for
constexpr std::size_t most_looks = 6000;      // at processes and threads together: some 50 ms at worst

/// The beginning of a small file; empty if it cannot be read.
std::string_view content_of(const std::string& path, std::array<char, 4096>& room) {
  const code::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  const auto count = ::read(file.get(), room.data(), room.size());
  return {room.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

/// The whole of a file that may be long, up to a limit.
std::string whole_content_of(const std::string& path) {
  constexpr std::size_t most = 64 * 1024;
  const code::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string all;
  std::array<char, 4096> room;
  while (file && all.size() < most) {
    const auto count = ::read(file.get(), room.data(), room.size());
    if (count <= 0) break;
    all.append(room.data(), static_cast<std::size_t>(count));
  }
  return all;
}

/// The next number of a text, which is cut by it.
std::uint64_t next_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::uint64_t own_memory(const std::string& at, std::array<char, 4096>& room) {
  static const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  auto text = content_of(at + "/statm", room);
  next_number(text);
  const auto resident = next_number(text), shared = next_number(text);
  return resident > shared ? (resident - shared) * page_size : 0;
}

std::uint64_t swapped_memory(const std::string& at, std::array<char, 4096>& room) {
  auto text = content_of(at + "/status", room);
  const auto found = text.find("VmSwap:");
  if (found == std::string_view::npos) return 0;
  text.remove_prefix(found);
  return next_number(text) * 1024;
}

/// utime, stime, cutime and cstime: fields 14 to 17, behind a name in which anything may stand.
std::optional<duration> cpu_time(const std::string& at, std::array<char, 4096>& room) {
  static const auto ticks_a_second = ::sysconf(_SC_CLK_TCK);
  auto text = content_of(at + "/stat", room);
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_end + 1);
  for (int field = 3; field < 14; ++field) text.remove_prefix(std::min(text.find(' ', 1), text.size()));
  std::uint64_t ticks = 0;
  for (int i = 0; i < 4; ++i) ticks += next_number(text);
  return std::chrono::milliseconds(ticks * 1000 / static_cast<std::uint64_t>(ticks_a_second));
}

void add_children(const std::string& at, std::vector<std::uint64_t>& to, std::size_t& budget) {
  const std::unique_ptr<DIR, int (*)(DIR*)> threads(::opendir((at + "/task").c_str()), ::closedir);
  if (!threads) return;
  for (std::size_t i = 0; i < most_threads && budget > 0; ++i, --budget) {
    const auto* thread = ::readdir(threads.get());
    if (thread == nullptr) return;
    if (thread->d_name[0] == '.') continue;
    const auto whole = whole_content_of(at + "/task/" + thread->d_name + "/children");
    std::string_view text = whole;
    while (to.size() < most_processes) {
      const auto child = next_number(text);
      if (child == 0) break;
      to.push_back(child);
    }
  }
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

/// memory.max of cgroup v2, of this one and all above it.
std::uint64_t cgroup_limit() {
  std::ostringstream own;
  own << std::ifstream("/proc/self/cgroup").rdbuf();
  auto least = UINT64_MAX;
  auto path = unified_cgroup(own.str()).value_or("");
  for (;;) {
    if (const auto here = number_in("/sys/fs/cgroup" + path + "/memory.max")) least = std::min(least, *here);
    if (path.empty() || path == "/") return least;
    path.erase(path.rfind('/'));
  }
}

}  // namespace

std::optional<usage> usage_of_tree(pid_t pid) {
  std::array<char, 4096> room;
  std::vector<std::uint64_t> all{static_cast<std::uint64_t>(pid)};
  usage sum;
  std::size_t budget = most_looks;
  for (std::size_t i = 0; i < all.size() && budget > 0; ++i, --budget) {
    const auto at = "/proc/" + std::to_string(all[i]);
    const auto cpu = cpu_time(at, room);
    if (!cpu && i == 0) return std::nullopt;
    sum.cpu += cpu.value_or(duration());
    sum.memory += own_memory(at, room) + swapped_memory(at, room);
    add_children(at, all, budget);
  }
  return sum;
}

std::uint64_t usable_memory() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES), page_size = ::sysconf(_SC_PAGESIZE);
  const auto machine = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
  return std::min(machine, cgroup_limit());
}

}  // namespace pp::worker
