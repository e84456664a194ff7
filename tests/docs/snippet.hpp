// What the snippets of the documents are compiled with: what they take for granted, and where they put themselves down.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <pp/pp.hpp>

namespace pp::docs {

/// Declared once by each snippet; the program's main() finds it by name.
class snippet {
 public:
  snippet(const char* name, int (*main)(int, char**));
};

}  // namespace pp::docs
