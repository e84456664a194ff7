// A directory of the test's own, mode 0700, removed with everything in it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pp::test {

class temporary_directory {
 public:
  temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory();

  const std::filesystem::path& path() const { return path_; }
  /// The path of `name` inside.
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);
/// Empty if there is none.
std::string read_file(const std::filesystem::path& path);
/// Every file and directory below, relative and sorted.
std::vector<std::string> files_below(const std::filesystem::path& directory);

/// A new random key as a keyring line.
std::string new_keyring_line(std::string_view name = "test");

}  // namespace pp::test
