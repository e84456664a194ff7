#include "worker/job_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "code/directory.hpp"
#include "pp/error.hpp"
#include "worker/orphans.hpp"
#include "worker/process_tree.hpp"

namespace pp::worker {
namespace {

constexpr const char* mark_ending = ".node";
constexpr std::size_t boot_digits = 32;
constexpr std::size_t removal_portion = 1024;
constexpr int most_portions = 1'000'000;  // so that a job that fights back cannot hold a node for ever
constexpr auto patience_with_former_jobs = std::chrono::seconds(2);

[[noreturn]] void refuse(const std::filesystem::path& root, const std::string& why) {
  throw error(errc::bad_option, "the job directory " + root.string() + " " + why);
}

/// Others may pass through, if a job user is to reach what is his, but never look.
code::descriptor open_root(const std::filesystem::path& root, bool is_passed_through) {
  auto fd = code::open_private_directory(root);
  if (!fd) refuse(root, "cannot be made, as the disk is full or read-only: name another one with --job-dir");
  struct stat about;
  if (is_passed_through) ::fchmod(fd.get(), 0711);
  const auto forbidden = is_passed_through ? 066U : 077U;
  if (::fstat(fd.get(), &about) != 0 || (about.st_mode & forbidden) != 0)
    refuse(root, "can be read by others: run chmod 700 " + root.string() + ", or name another one with --job-dir");
  return fd;
}

bool is_boot(std::string_view name) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == boot_digits && std::all_of(name.begin(), name.end(), is_digit);
}

/// The mark of a node, locked by us; empty if somebody else has it. `is_missing`: there is none.
code::descriptor lock_mark(int root, const std::string& boot, bool& is_missing) {
  code::descriptor mark(::openat(root, (boot + mark_ending).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  is_missing = !mark && errno == ENOENT;
  if (mark && ::flock(mark.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return mark;
}

void remove_whole(int parent, const std::string& name) {
  for (int i = 0; i < most_portions && remove_some(parent, name, removal_portion) == removal::unfinished; ++i) {
  }
}

std::size_t end_processes_of(const std::string& directory) {
  const process_tree processes;
  const auto limit = now() + patience_with_former_jobs;
  std::size_t ended = 0;
  for (;;) {
    const auto found = processes.marked(mark_variable, directory, directory);
    if (found.empty() || now() > limit) return ended;
    ended = std::max(ended, found.size());
    for (const auto& process : found) processes.kill_tree(process.pid);
    std::this_thread::yield();
  }
}

}  // namespace

job_directories::job_directories(const std::filesystem::path& root, const std::string& boot,
                                 const std::optional<job_user>& user)
    : root_(open_root(root, user.has_value())),
      root_path_(std::filesystem::canonical(root)),
      path_(root_path_ / boot),
      boot_(boot),
      user_(user) {
  sweep();
  take_mark();
  self_ = code::open_subdirectory(root_.get(), boot_);
  if (!self_) refuse(path_, "cannot be made: " + std::generic_category().message(errno));
  if (user_) ::fchmod(self_.get(), 0711);
}

void job_directories::hand_over(int directory) const {
  if (user_ && ::fchown(directory, user_->uid, user_->gid) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot give a job directory to " + user_->name);
}

job_directories::~job_directories() {
  remove_whole(root_.get(), boot_);
  ::unlinkat(root_.get(), (boot_ + mark_ending).c_str(), 0);
}

/// The mark comes first and goes last, so a directory without one belongs to nobody.
void job_directories::sweep() {
  for (const auto& name : code::names_in(root_.get())) {
    const auto boot = name.substr(0, boot_digits);
    if (!is_boot(boot) || (name.size() > boot_digits && name.substr(boot_digits) != mark_ending)) continue;
    if (sweep_dead(boot)) swept_.push_back(boot);
  }
}

bool job_directories::sweep_dead(const std::string& boot) {
  bool is_missing = false;
  const auto mark = lock_mark(root_.get(), boot, is_missing);
  struct stat about;
  if (!mark && (!is_missing || ::fstatat(root_.get(), boot.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)) return false;
  const auto ended = end_processes_of(root_path_ / boot);
  remove_whole(root_.get(), boot);
  if (mark) ::unlinkat(root_.get(), (boot + mark_ending).c_str(), 0);
  log::info("swept", {{"directory", (root_path_ / boot).string()}, {"processes_ended", ended}});
  return true;
}

void job_directories::take_mark() {
  // Locked before it has its name: a node that starts takes what is not locked for the mark of a dead one.
  const auto name = boot_ + mark_ending, unlocked = "new-" + boot_;
  mark_.reset(::openat(root_.get(), unlocked.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!mark_) refuse(root_path_ / unlocked, "cannot be made: " + std::generic_category().message(errno));
  if (::flock(mark_.get(), LOCK_EX | LOCK_NB) != 0) {
    ::unlinkat(root_.get(), unlocked.c_str(), 0);
    refuse(root_path_ / name, "cannot be locked: name a directory on a local disk with --job-dir");
  }
  if (::renameat(root_.get(), unlocked.c_str(), root_.get(), name.c_str()) != 0)
    refuse(root_path_ / name, "cannot be made: " + std::generic_category().message(errno));
  const auto self = process_tree().look(::getpid());
  const auto text = std::to_string(::getpid()) + " " + std::to_string(self ? self->name.start : 0) + "\n";
  static_cast<void>(!::write(mark_.get(), text.data(), text.size()));  // for people; the lock is what counts
}

job_directory::job_directory(std::shared_ptr<job_directories> in)
    : in_(std::move(in)), name_(std::to_string(in_->next_number())) {
  self_ = code::open_subdirectory(in_->fd(), name_);
  if (!self_) throw std::system_error(errno, std::generic_category(), "cannot make the job directory " + path());
  in_->hand_over(self_.get());
}

std::string default_job_root(const std::string& cache_directory, const std::string& job_user) {
  if (!job_user.empty()) return "/var/tmp/pp-jobs-" + job_user;
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return cache_directory + "/jobs";
  return cache_directory + "/jobs-" + host;
}

}  // namespace pp::worker
