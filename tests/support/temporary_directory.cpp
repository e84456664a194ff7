#include "tests/support/temporary_directory.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pp::test {

namespace fs = std::filesystem;

temporary_directory::temporary_directory() {
  std::string name = (fs::temp_directory_path() / "pp-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, std::string_view content, unsigned mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0 || fchmod(fd, mode) != 0) throw std::runtime_error("cannot write " + path.string());
  const auto written = write(fd, content.data(), content.size());
  close(fd);
  if (written != static_cast<ssize_t>(content.size())) throw std::runtime_error("cannot write all of " + path.string());
}

// In blocks, because a test program with sanitizers has hundreds of megabytes, and files of /proc have no size.
std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::vector<char> block(1U << 20U);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0)
    text.append(block.data(), static_cast<std::size_t>(file.gcount()));
  return text;
}

std::vector<std::string> files_below(const fs::path& directory) {
  std::vector<std::string> found;
  std::error_code failure;
  for (fs::recursive_directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure)) {
    found.push_back(it->path().lexically_relative(directory).string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string new_keyring_line(std::string_view name) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::random_device random;
  std::string key;
  for (int i = 0; i < 42; ++i) key += digits[random() % 64];
  key += digits[random() % 16 * 4];  // 43 digits hold 258 bits; the last two are zero
  return "ppk1 " + std::string(name) + " all 2026-01-01 - " + key + "\n";
}

}  // namespace pp::test
