#include "worker/cgroup.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "code/directory.hpp"

namespace pp::worker {
namespace {

bool write_to(const std::string& path, const std::string& text) {
  const code::descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}
bool set_limit(const std::string& path, std::uint64_t value) {
  return write_to(path, value == 0 ? "max" : std::to_string(value));
}

/// Whether a node may have named it: "pp-" and as many hexadecimal digits as the name of this node has.
bool is_name_like(const std::string& mine, const std::string& other) {
  return other.size() == mine.size() && other.rfind("pp-", 0) == 0 &&
         other.find_first_not_of("0123456789abcdef", 3) == std::string::npos;
}

/// "/user.slice/…" of the line "0::/user.slice/…".
std::string path_in_hierarchy(const std::string& proc_cgroup) {
  std::ifstream file(proc_cgroup);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("0::/", 0) == 0) return line.substr(3);
  }
  return {};
}

struct mount {
  std::string root, point;
};
/// Of the cgroup2 file system; empty if there is none.
mount find_mount(const std::string& mountinfo) {
  std::ifstream file(mountinfo);
  for (std::string line; std::getline(file, line);) {
    const auto separator = line.find(" - ");
    if (separator == std::string::npos || line.compare(separator + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream words(line);
    std::string id, parent, device;
    mount found;
    if (words >> id >> parent >> device >> found.root >> found.point) return found;
  }
  return {};
}

/// The directory of this process's own cgroup; empty, and `why` says why, if it cannot be seen.
std::string own_directory(const std::string& root, std::string& why) {
  auto inside = path_in_hierarchy(root + "/proc/self/cgroup");
  const auto where = find_mount(root + "/proc/self/mountinfo");
  if (inside.empty() || where.point.empty()) return why = "this machine has no cgroup v2", std::string();
  if (where.root != "/") {
    if (inside.rfind(where.root, 0) != 0) return why = "the node's own cgroup is not to be seen here", std::string();
    inside.erase(0, where.root.size());
  }
  return root + where.point + (inside == "/" ? "" : inside);
}

bool contains_word(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word == wanted) return true;
  }
  return false;
}

/// A cgroup's files need not and cannot be removed.
void remove_with_children(const std::string& path) {
  const code::descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return;
  for (const auto& name : code::names_in(directory.get())) ::unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR);
  ::rmdir(path.c_str());
}

/// With all below it. What was just killed may not have gone yet: then the next node finds it.
void end_whole(const std::string& path) {
  write_to(path + "/cgroup.kill", "1");
  remove_with_children(path);
}

/// Empty if somebody else has it locked.
code::descriptor locked(const std::string& path) {
  code::descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

}  // namespace

cgroups::cgroups(std::string own, const std::string& boot) : own_(std::move(own)), path_(own_ + "/pp-" + boot) {}

std::shared_ptr<cgroups> cgroups::make(const std::string& boot, std::string& status, const std::string& root) {
  const auto own = own_directory(root, status);
  if (own.empty()) return nullptr;
  std::shared_ptr<cgroups> made(new cgroups(own, boot));
  made->sweep();
  if (::access((own + "/cgroup.procs").c_str(), W_OK) != 0 || !made->make_own()) {
    status =
        "no cgroup can be made in " + own + " (" + std::strerror(errno) + "): under systemd, Delegate=yes permits it";
    return nullptr;
  }
  const auto controllers = made->pass_on_controllers();
  status = "each worker has one in " + made->path_ +
           (controllers.empty() ? ", without limits: no controller is delegated" : ", with " + controllers);
  return made;
}

std::string cgroups::pass_on_controllers() {
  std::string passed;
  for (const std::string name : {"memory", "pids"}) {
    if (!contains_word(own_ + "/cgroup.controllers", name)) continue;
    const auto leaf = path_ + "/node";
    if (!has_moved_) has_moved_ = ::mkdir(leaf.c_str(), 0700) == 0 && write_to(leaf + "/cgroup.procs", "0");
    const bool is_on = write_to(own_ + "/cgroup.subtree_control", "+" + name) &&
                       write_to(path_ + "/cgroup.subtree_control", "+" + name);
    if (is_on) passed += (passed.empty() ? "" : " ") + name;
  }
  return passed;
}

cgroups::~cgroups() {
  // A process can only go back where it came from once nothing is passed on there.
  for (const char* name : {"memory", "pids"}) {
    if (has_moved_) write_to(path_ + "/cgroup.subtree_control", std::string("-") + name);
  }
  if (has_moved_ && !write_to(own_ + "/cgroup.procs", "0")) {
    for (const char* name : {"memory", "pids"}) write_to(own_ + "/cgroup.subtree_control", std::string("-") + name);
    write_to(own_ + "/cgroup.procs", "0");
  }
  remove_with_children(path_);
}

/// Whoever can lock another node's cgroup knows that the node is dead.
void cgroups::sweep() const {
  const code::descriptor directory(::open(own_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return;
  for (const auto& name : code::names_in(directory.get())) {
    if (!is_name_like(path_.substr(own_.size() + 1), name)) continue;
    const auto lock = locked(own_ + "/" + name);
    if (lock) end_whole(own_ + "/" + name);
  }
}

bool cgroups::make_own() {
  for (int i = 0; i < 10; ++i) {
    if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) return false;
    mark_ = locked(path_);
    // A node that starts may have taken us for dead in between.
    if (mark_ && ::access(path_.c_str(), F_OK) == 0) return true;
  }
  return false;
}

worker_cgroup::worker_cgroup(std::shared_ptr<cgroups> in)
    : in_(std::move(in)), path_(in_->path() + "/" + std::to_string(in_->next_number())) {
  if (::mkdir(path_.c_str(), 0700) == 0) procs_.reset(::open((path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!procs_) throw std::system_error(errno, std::generic_category(), "cannot make the cgroup " + path_);
  write_to(path_ + "/memory.oom.group", "1");
}

worker_cgroup::~worker_cgroup() {
  if (path_.empty()) return;
  kill();
  remove();
}

bool worker_cgroup::kill() const { return write_to(path_ + "/cgroup.kill", "1"); }

bool worker_cgroup::remove() {
  if (!path_.empty() && ::rmdir(path_.c_str()) != 0 && errno != ENOENT) return false;
  path_.clear();
  return true;
}

bool worker_cgroup::set_memory_limit(std::uint64_t bytes) const { return set_limit(path_ + "/memory.max", bytes); }
bool worker_cgroup::set_process_limit(std::uint64_t count) const { return set_limit(path_ + "/pids.max", count); }

std::optional<std::uint64_t> worker_cgroup::memory_peak() const {
  std::ifstream file(path_ + "/memory.peak");
  std::uint64_t bytes = 0;
  return file >> bytes ? std::optional(bytes) : std::nullopt;
}

}  // namespace pp::worker
