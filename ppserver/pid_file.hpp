// The file that names this process while it serves.
//
// Promises: a file that names a living ppserver is never overwritten, and only our own is removed. Threads: one.
#pragma once

#include <string>

namespace pp::ppserver {

class pid_file {
 public:
  pid_file() = default;
  /// Throws pp::error in words: another ppserver lives (errc::overloaded), or it cannot be written (errc::bad_option).
  static void check(const std::string& path);
  explicit pid_file(std::string path);
  pid_file(pid_file&& other) noexcept;
  pid_file& operator=(pid_file&& other) noexcept;
  pid_file(const pid_file&) = delete;
  pid_file& operator=(const pid_file&) = delete;
  ~pid_file() { remove(); }

  void remove() noexcept;

 private:
  std::string path_;
};

}  // namespace pp::ppserver
