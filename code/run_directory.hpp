// Files that must have a path while a program runs: one private folder per image, gone with its owner even after a
// crash.
//
// Layout: <base>/<random> is a process's own directory, <base>/<random>.lock its flock'ed mark of life,
// <base>/<random>/<n> one image's folder. A directory whose mark can be locked belongs to nobody any more and is swept
// by the next process.
// Promises: everything is mode 0700 and named by this process alone. Threads: one at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "code/descriptor.hpp"

namespace pp::code {

class run_directory {
 public:
  /// `base` is an open private directory whose path is `path`. Empty with errno set if nothing can be made there.
  static std::shared_ptr<run_directory> make(int base, const std::filesystem::path& path);
  run_directory(const run_directory&) = delete;
  run_directory& operator=(const run_directory&) = delete;
  ~run_directory();

  /// Removes what dead processes have left in `base`.
  static void sweep(int base);

  int fd() const { return self_.get(); }
  const std::filesystem::path& path() const { return path_; }
  std::string next_name() { return std::to_string(++count_); }

 private:
  run_directory() = default;
  descriptor base_, lock_, self_;
  std::string name_;
  std::filesystem::path path_;
  unsigned long count_ = 0;
};

/// One image's folder; removed when it goes.
class run_folder {
 public:
  /// Owner of `in`: every folder in it. Empty with errno set if it cannot be made.
  static std::shared_ptr<run_folder> make(std::shared_ptr<run_directory> in);
  run_folder(const run_folder&) = delete;
  run_folder& operator=(const run_folder&) = delete;
  ~run_folder();

  int fd() const { return self_.get(); }
  std::filesystem::path path() const { return in_->path() / name_; }

 private:
  run_folder(std::shared_ptr<run_directory> in, std::string name, descriptor self);
  std::shared_ptr<run_directory> in_;
  std::string name_;
  descriptor self_;
};

}  // namespace pp::code
