// A private directory for each worker of a node: where its jobs work and put their temporary files.
//
// Layout: <root>/<boot> is one node's directory, <root>/<boot>.node its flock'ed mark of life with its process id and
// start time, <root>/<boot>/<number> one worker's. A node whose mark can be locked is dead: the next one ends the
// processes that its jobs left running and removes its directory.
// Promises: everything is mode 0700 and reached by descriptor; nothing is left when its owner has gone, and after a
// crash nothing when the next node has started; a living node's directories are never touched.
// Threads: one at a time. Must not know: pools, jobs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "code/descriptor.hpp"
#include "worker/isolation.hpp"
#include "worker/tree_removal.hpp"

namespace pp::worker {

/// Those of one node.
class job_directories {
 public:
  /// Opens or makes `root`, cleans up after dead nodes, and makes this node's own directory. `boot`: 32 hexadecimal
  /// digits. Workers' directories belong to `user` if there is one, who may then pass through those above. Throws
  /// pp::error in words: a root that is a link, belongs to others or can be read by them.
  job_directories(const std::filesystem::path& root, const std::string& boot, const std::optional<job_user>& user = {});
  job_directories(const job_directories&) = delete;
  job_directories& operator=(const job_directories&) = delete;
  /// Removes what is left.
  ~job_directories();

  int fd() const { return self_.get(); }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t next_number() { return ++last_number_; }
  /// Gives a worker's directory to the user that it runs as. Throws std::system_error.
  void hand_over(int directory) const;
  /// Boots of dead nodes whose directories were found and removed.
  const std::vector<std::string>& swept() const { return swept_; }

 private:
  void sweep();
  bool sweep_dead(const std::string& boot);
  void take_mark();

  code::descriptor root_, mark_, self_;
  std::filesystem::path root_path_, path_;
  std::string boot_;
  std::optional<job_user> user_;
  std::uint64_t last_number_ = 0;
  std::vector<std::string> swept_;
};

/// One worker's. Whoever made it calls remove_some() until it is done.
class job_directory {
 public:
  /// Throws std::system_error.
  explicit job_directory(std::shared_ptr<job_directories> in);

  int fd() const { return self_.get(); }
  std::string path() const { return in_->path() / name_; }
  /// About `most` entries.
  removal remove_some(std::size_t most) { return worker::remove_some(in_->fd(), name_, most); }

 private:
  std::shared_ptr<job_directories> in_;
  std::string name_;
  code::descriptor self_;
};

/// <cache>/jobs-<host>: what protects the cache protects them, and hosts that share a home do not meet there. For a job
/// user, who cannot pass through the cache: /var/tmp/pp-jobs-<job user>.
std::string default_job_root(const std::string& cache_directory, const std::string& job_user);

}  // namespace pp::worker
