// What word_count was asked to do.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

struct arguments {
  std::vector<std::string> directories;
  bool check = false;
  bool help = false;
  unsigned top = 20;
};

/// One line that says what is wrong with the command line.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws usage_error.
arguments parse_arguments(int argc, char** argv);
const char* help_text();
