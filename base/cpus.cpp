#include "base/cpus.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>
#include <vector>

#include <sched.h>

namespace pp {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::optional<std::int64_t> number(std::string_view text) {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> whole_cpus(std::optional<std::int64_t> quota, std::optional<std::int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  const auto cpus = *quota / *period + (*quota % *period != 0 ? 1 : 0);
  return static_cast<unsigned>(std::clamp<std::int64_t>(cpus, 1, 65535));
}

/// One line of /proc/self/cgroup, "5:cpu,cpuacct:/a/b".
struct cgroup_line {
  std::string_view controllers, path;
};

std::optional<cgroup_line> parse_cgroup_line(std::string_view line) {
  const auto first = line.find(':');
  const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto path = line.substr(second + 1);
  if (path.empty() || path.front() != '/' || path.find("/..") != std::string_view::npos) return std::nullopt;
  return cgroup_line{line.substr(first + 1, second - first - 1), path};
}

bool names_cpu(std::string_view controllers) {
  const std::string list = "," + std::string(controllers) + ",";
  return list.find(",cpu,") != std::string::npos;
}

std::optional<std::string> find_cgroup(std::string_view text, const std::function<bool(std::string_view)>& wanted) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = parse_cgroup_line(text.substr(0, end));
    if (line && wanted(line->controllers)) return std::string(line->path);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::nullopt;
}

std::string content_of(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The tightest limit of this cgroup and all above it: a quota holds for everything below.
std::optional<unsigned> tightest(const std::string& root, std::string path,
                                 const std::function<std::optional<unsigned>(const std::string&)>& limit_of) {
  std::optional<unsigned> least;
  for (;;) {
    const auto here = limit_of(root + path);
    if (here && (!least || *here < *least)) least = here;
    if (path.empty() || path == "/") return least;
    path.erase(path.rfind('/'));
  }
}

std::optional<unsigned> quota_cpus() {
  const auto own = content_of("/proc/self/cgroup");
  if (const auto path = unified_cgroup(own)) {
    const auto limit = tightest("/sys/fs/cgroup", *path,
                                [](const std::string& at) { return cpus_of_cpu_max(content_of(at + "/cpu.max")); });
    if (limit) return limit;
  }
  const auto path = cpu_cgroup(own);
  if (!path) return std::nullopt;
  return tightest("/sys/fs/cgroup/cpu", *path, [](const std::string& at) {
    return cpus_of_cfs(content_of(at + "/cpu.cfs_quota_us"), content_of(at + "/cpu.cfs_period_us"));
  });
}

unsigned affinity_cpus() {
  // The mask may be longer than cpu_set_t on very large machines; the kernel says EINVAL until it fits.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 20); cpus *= 2) {
    std::vector<cpu_set_t> mask(static_cast<std::size_t>(cpus) / CPU_SETSIZE);
    const auto size = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, size, mask.data()) == 0) return static_cast<unsigned>(CPU_COUNT_S(size, mask.data()));
  }
  return std::thread::hardware_concurrency();
}

}  // namespace

std::optional<unsigned> cpus_of_cpu_max(std::string_view text) {
  text = trimmed(text);
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return whole_cpus(number(text.substr(0, space)), number(text.substr(space)));
}

std::optional<unsigned> cpus_of_cfs(std::string_view quota_us, std::string_view period_us) {
  return whole_cpus(number(quota_us), number(period_us));
}

std::optional<std::string> unified_cgroup(std::string_view proc_self_cgroup) {
  return find_cgroup(proc_self_cgroup, [](std::string_view controllers) { return controllers.empty(); });
}

std::optional<std::string> cpu_cgroup(std::string_view proc_self_cgroup) {
  return find_cgroup(proc_self_cgroup, names_cpu);
}

unsigned effective_cpus() {
  const auto allowed = std::max(affinity_cpus(), 1U);
  return std::min(allowed, quota_cpus().value_or(allowed));
}

}  // namespace pp
