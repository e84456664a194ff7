// The files to count, read in batches of a few hundred KiB: one batch is one job.
//
// Small files share a batch; a large file is cut between two words, so a batch never splits one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

struct file_list {
  std::vector<std::filesystem::path> paths;
  std::uint64_t bytes = 0;  ///< of all of them, when they were listed
};

/// Every regular file below the directories, sorted; symbolic links are not followed. What cannot be entered is told in
/// `complaints`.
file_list list_files(const std::vector<std::string>& directories, std::vector<std::string>& complaints);

class batch_reader {
 public:
  explicit batch_reader(const file_list& files) : files_(files) {}

  /// The next batch; empty at the end.
  std::vector<std::string> next();
  std::uint64_t files_read() const { return files_read_; }
  /// One line for each file that could not be read.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  bool open_next_file();
  std::string read_piece();
  void finish_file();

  const file_list& files_;
  std::size_t next_file_ = 0;
  std::ifstream file_;
  std::string carry_;  ///< the beginning of a word whose end was not read yet
  std::uint64_t files_read_ = 0;
  std::vector<std::string> complaints_;
};
