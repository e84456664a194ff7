// The files of tests/golden: `# comment`, `message = NAME`, `layout = TABLE, …`, one `field = value` a line, and `hex =
// …`.
//
// Numbers are decimal, bytes hexadecimal, lists numbers with blanks between, texts as they are. Files are added, never
// edited.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace pp::test {

using field_list = std::vector<std::pair<std::string, std::string>>;

struct golden_file {
  std::string name;  ///< without folder and ending
  std::string message;
  std::vector<std::string> layout;
  field_list fields;
  bytes raw;
};

/// Every file of tests/golden/v1, by name. Throws std::runtime_error if one cannot be read.
std::vector<golden_file> golden_files();

std::string read_whole(const std::string& path);
std::string trimmed(const std::string& text);
std::vector<std::string> split(const std::string& text, char at);

}  // namespace pp::test
