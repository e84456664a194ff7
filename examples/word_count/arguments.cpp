#include "arguments.hpp"

#include <charconv>
#include <filesystem>
#include <string_view>

namespace {

unsigned parse_number(std::string_view option, const char* text) {
  const std::string_view value = text != nullptr ? text : "";
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (value.empty() || failure != std::errc() || end != value.data() + value.size()) {
    throw usage_error(std::string(option) + " needs a number, for example " + std::string(option) + " 20");
  }
  return number;
}

std::string existing_directory(const char* name) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(name, ignored)) throw usage_error(std::string(name) + " is not a directory");
  return name;
}

std::vector<std::string> default_directories() {
  std::vector<std::string> found;
  for (const char* name : {"/usr/share/doc", "/usr/share/common-licenses"}) {
    std::error_code ignored;
    if (std::filesystem::is_directory(name, ignored)) found.emplace_back(name);
  }
  return found;
}

}  // namespace

arguments parse_arguments(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--check") {
      a.check = true;
    } else if (word == "-h" || word == "--help") {
      a.help = true;
    } else if (word == "--top") {
      a.top = parse_number(word, argv[++i]);
    } else if (word.starts_with("-")) {
      throw usage_error("there is no option " + std::string(word) + "; see --help");
    } else {
      a.directories.push_back(existing_directory(argv[i]));
    }
  }
  if (a.directories.empty()) a.directories = default_directories();
  return a;
}

const char* help_text() {
  return "Usage: word_count [--check] [--top N] [DIR...]\n"
         "\n"
         "Counts the words of every regular file below the directories (default: /usr/share/doc and\n"
         "/usr/share/common-licenses) on all nodes that can be found, and prints the commonest ones.\n"
         "\n"
         "  --check   count again in this process alone and compare; the files must not change meanwhile\n"
         "  --top N   how many words to print (default 20)\n"
         "\n"
         "Progress goes to stderr. Exit status: 0 done, 1 failed or not identical, 64 wrong usage.\n";
}
