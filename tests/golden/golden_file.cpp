#include "tests/golden/golden_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace pp::test {
namespace {

golden_file read_golden(const std::filesystem::path& path) {
  golden_file file;
  file.name = path.stem().string();
  std::istringstream lines(read_whole(path.string()));
  std::string hex;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto equals = line.find(" =");
    if (equals == std::string::npos) throw std::runtime_error(path.string() + ": " + line);
    const auto name = line.substr(0, equals);
    const auto value = trimmed(line.substr(equals + 2));
    if (name == "hex") {
      hex += value;
    } else if (name == "message") {
      file.message = value;
    } else if (name == "layout") {
      file.layout = split(value, ',');
    } else {
      file.fields.emplace_back(name, value);
    }
  }
  file.raw = from_hex(hex);
  if (file.raw.size() * 2 != hex.size()) throw std::runtime_error(path.string() + ": not hexadecimal");
  return file;
}

}  // namespace

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? std::string() : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(trimmed(part));
  return parts;
}

std::vector<golden_file> golden_files() {
  std::vector<golden_file> files;
  for (const auto& entry : std::filesystem::directory_iterator(PP_TEST_DATA "/golden/v1")) {
    files.push_back(read_golden(entry.path()));
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

}  // namespace pp::test
