#include "worker/oom.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <fstream>
#include <sstream>

namespace pp::worker {
namespace {

bool has_moved(const std::optional<std::uint64_t>& before, const std::optional<std::uint64_t>& after) {
  return before && after && *after > *before;
}

}  // namespace

std::optional<std::uint64_t> counter_in(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.size() <= key.size() + 1 || line.substr(0, key.size()) != key || line[key.size()] != ' ') continue;
    std::uint64_t value = 0;
    const auto digits = line.substr(key.size() + 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && stop == digits.data() + digits.size()) return value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> read_counter(const std::string& path, std::string_view key) {
  if (path.empty()) return std::nullopt;
  std::ifstream file(path);
  std::ostringstream all;
  all << file.rdbuf();
  return counter_in(all.str(), key);
}

oom_sample sample_oom(const std::string& memory_events, const std::string& vmstat) {
  return {read_counter(vmstat, "oom_kill"), read_counter(memory_events, "oom_kill")};
}

bool was_oom_kill(int signal, bool was_ours, const oom_sample& before, const oom_sample& after) {
  if (signal != SIGKILL || was_ours) return false;
  if (before.cgroup && after.cgroup) return has_moved(before.cgroup, after.cgroup);
  return has_moved(before.machine, after.machine);
}

}  // namespace pp::worker
