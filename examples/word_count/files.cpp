#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "counting.hpp"

namespace {

namespace fs = std::filesystem;
constexpr std::size_t piece_bytes = 256 * 1024;       // the most that is read of a file at once
constexpr std::size_t batch_bytes = piece_bytes / 2;  // a batch is full from here on: 128 to 384 KiB

void list_one(const std::string& directory, file_list& into, std::vector<std::string>& complaints) {
  std::error_code failure;
  fs::recursive_directory_iterator it(directory, fs::directory_options::skip_permission_denied, failure);
  for (const fs::recursive_directory_iterator end; !failure && it != end; it.increment(failure)) {
    std::error_code ignored;
    if (it->symlink_status(ignored).type() != fs::file_type::regular) continue;
    into.paths.push_back(it->path());
    const auto size = it->file_size(ignored);
    if (!ignored) into.bytes += size;
  }
  if (failure) complaints.push_back(directory + ": " + failure.message());
}

}  // namespace

file_list list_files(const std::vector<std::string>& directories, std::vector<std::string>& complaints) {
  file_list files;
  for (const auto& directory : directories) list_one(directory, files, complaints);
  std::sort(files.paths.begin(), files.paths.end());
  return files;
}

std::vector<std::string> batch_reader::next() {
  std::vector<std::string> batch;
  std::size_t size = 0;
  while (size < batch_bytes && (file_.is_open() || open_next_file())) {
    std::string piece = read_piece();
    size += piece.size();
    if (!piece.empty()) batch.push_back(std::move(piece));
  }
  return batch;
}

bool batch_reader::open_next_file() {
  while (next_file_ < files_.paths.size()) {
    const auto& path = files_.paths[next_file_++];
    errno = 0;
    file_.open(path, std::ios::binary);
    if (file_.is_open()) return true;
    complaints_.push_back(path.string() + ": " + std::strerror(errno));
    file_.clear();
  }
  return false;
}

// A piece ends behind the last byte that is no letter; what follows it begins the next piece.
std::string batch_reader::read_piece() {
  std::string piece = std::move(carry_);
  carry_.clear();
  const std::size_t old = piece.size();
  piece.resize(old + piece_bytes);
  file_.read(piece.data() + old, piece_bytes);
  piece.resize(old + static_cast<std::size_t>(file_.gcount()));
  if (!file_) {
    finish_file();
    return piece;
  }
  const auto last_gap = std::find_if_not(piece.rbegin(), piece.rend(), is_letter);
  carry_.assign(last_gap.base(), piece.end());
  piece.erase(last_gap.base(), piece.end());
  return piece;
}

void batch_reader::finish_file() {
  if (file_.bad()) {
    complaints_.push_back(files_.paths[next_file_ - 1].string() + ": " + std::strerror(errno));
  } else {
    ++files_read_;
  }
  file_.close();
  file_.clear();
}
