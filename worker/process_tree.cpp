#include "worker/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <set>

#include "code/descriptor.hpp"

namespace pp::worker {
namespace {

constexpr int most_kill_rounds = 64;
constexpr std::size_t most_environment = 4 * 1024 * 1024;  // the kernel allows more only with a raised stack limit

template <class Number>
std::optional<Number> as_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// nullopt if it cannot be read.
std::optional<std::string> content_of(const std::string& path) {
  const code::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string all;
  std::array<char, 4096> part{};
  while (all.size() < most_environment) {
    const auto got = ::read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    all.append(part.data(), static_cast<std::size_t>(got));
  }
  return all;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr const char* blanks = " \n";
  for (auto at = text.find_first_not_of(blanks); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(blanks, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(blanks, end);
  }
  return words;
}

/// The entries of a directory whose names are numbers; nullopt if it cannot be read.
std::optional<std::vector<pid_t>> numbers_in(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(path.c_str()), &::closedir);
  if (!listing) return std::nullopt;
  std::vector<pid_t> found;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (const auto pid = as_number<pid_t>(entry->d_name)) found.push_back(*pid);
  }
  return found;
}

/// True if `path` is `directory` or lies below it.
bool is_below(std::string_view path, std::string_view directory) {
  return path.substr(0, directory.size()) == directory &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace

std::optional<process_look> parse_stat(std::string_view text) {
  // The name, in brackets, may itself contain brackets and blanks.
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const auto pid = as_number<pid_t>(text.substr(0, text.find(' ')));
  const auto words = words_of(text.substr(name_end + 1));  // the first is field 3 of proc(5)
  if (!pid || words.size() < 20) return std::nullopt;
  const auto parent = as_number<pid_t>(words[1]);
  const auto start = as_number<std::uint64_t>(words[19]);
  if (!parent || !start) return std::nullopt;
  return process_look{{*pid, *start}, *parent, words[0].front()};
}

std::optional<process_look> process_tree::look(pid_t pid) const {
  const auto text = content_of(proc_ + "/" + std::to_string(pid) + "/stat");
  return text ? parse_stat(*text) : std::nullopt;
}

std::vector<pid_t> process_tree::all() const { return numbers_in(proc_).value_or(std::vector<pid_t>()); }

/// nullopt if this kernel does not list children (CONFIG_PROC_CHILDREN).
std::optional<std::vector<pid_t>> process_tree::listed_children(pid_t pid) const {
  const auto threads = proc_ + "/" + std::to_string(pid) + "/task";
  std::vector<pid_t> children;
  bool is_known = false;
  for (const auto thread : numbers_in(threads).value_or(std::vector<pid_t>())) {
    const auto text = content_of(threads + "/" + std::to_string(thread) + "/children");
    is_known = is_known || text;
    for (const auto word : words_of(text ? *text : std::string_view())) {
      if (const auto child = as_number<pid_t>(word)) children.push_back(*child);
    }
  }
  return is_known ? std::optional(children) : std::nullopt;
}

std::vector<pid_t> process_tree::children_of(pid_t pid) const {
  if (auto listed = listed_children(pid)) return std::move(*listed);
  std::vector<pid_t> children;
  for (const auto other : all()) {
    const auto seen = look(other);
    if (seen && seen->parent == pid) children.push_back(other);
  }
  return children;
}

std::vector<process_name> process_tree::descendants_of(pid_t root) const { return members(root, false); }

std::vector<process_name> process_tree::members(pid_t root, bool with_root) const {
  std::vector<process_name> found;
  std::set<pid_t> seen{root};
  std::vector<pid_t> open{root};
  for (std::size_t i = 0; i < open.size(); ++i) {
    const auto self = look(open[i]);
    if (!self) continue;
    if (i > 0 || with_root) found.push_back(self->name);
    for (const auto child : children_of(open[i])) {
      if (seen.insert(child).second) open.push_back(child);
    }
  }
  return found;
}

bool process_tree::is_marked(pid_t pid, const std::string& variable, std::string_view directory) const {
  const auto here = proc_ + "/" + std::to_string(pid);
  if (!directory.empty()) {
    std::array<char, 4096> target{};
    const auto length = ::readlink((here + "/cwd").c_str(), target.data(), target.size());
    if (length > 0 && is_below({target.data(), static_cast<std::size_t>(length)}, directory)) return true;
  }
  const auto environment = content_of(here + "/environ").value_or("");
  for (std::size_t at = 0; at < environment.size();) {
    const auto end = std::min(environment.find('\0', at), environment.size());
    if (is_below(std::string_view(environment).substr(at, end - at), variable)) return true;
    at = end + 1;
  }
  return false;
}

std::vector<process_name> process_tree::marked(std::string_view name, std::string_view value,
                                               std::string_view directory) const {
  std::set<pid_t> spared;
  for (auto self = look(::getpid()); self && spared.insert(self->name.pid).second;) self = look(self->parent);
  const std::string variable = std::string(name) + "=" + std::string(value);
  std::vector<process_name> found;
  for (const auto pid : all()) {
    const auto seen = look(pid);
    if (!seen || seen->state == 'Z' || spared.count(pid) != 0) continue;
    if (is_marked(pid, variable, directory)) found.push_back(seen->name);
  }
  return found;
}

void process_tree::send(const process_name& to, int signal) const {
  // With the descriptor open the number cannot be given away, so a second look settles who it is.
  const code::descriptor fd(static_cast<int>(::syscall(SYS_pidfd_open, to.pid, 0)));
  const auto now = look(to.pid);
  if (!now || now->name != to) return;
  if (fd)
    ::syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0);
  else
    ::kill(to.pid, signal);  // a kernel before 5.3
}

void process_tree::signal_tree(pid_t root, int signal) const {
  for (const auto& member : members(root, true)) send(member, signal);
}

void process_tree::kill_members(pid_t root, bool with_root) const {
  std::set<process_name> stopped;
  for (int round = 0; round < most_kill_rounds; ++round) {
    const auto before = stopped.size();
    for (const auto& member : members(root, with_root)) {
      if (stopped.insert(member).second) send(member, SIGSTOP);
    }
    if (stopped.size() == before) break;
  }
  for (const auto& member : stopped) send(member, SIGKILL);
}

void process_tree::kill_tree(pid_t root) const { kill_members(root, true); }
void process_tree::kill_descendants(pid_t root) const { kill_members(root, false); }

}  // namespace pp::worker
