// The main function of every benchmark: arguments in, table and JSON out; and the same program in the roles it plays for itself.
//
// Usage of each: PROGRAM [ROUNDS] [--small] [--json FILE]. Rounds alternate between what is compared; --small is for the test
// that runs every program once and looks at results, not at times.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>

#include "bench/figures.hpp"

namespace bench {

struct run_options {
  int rounds = 5;
  bool small = false;
  std::string json;
  /// `normal`, or `tiny` with --small.
  std::size_t pick(std::size_t normal, std::size_t tiny) const { return small ? tiny : normal; }
};

/// Another program this one can be, named by its first argument.
struct role {
  const char* name;
  int (*run)(int argc, char** argv);
};

/// Calls pp::init, then the role that is asked for, or `measure` and the output. Never throws; the result is the exit status.
int run_benchmark(const char* name, int argc, char** argv, void (*measure)(const run_options&, report&),
                  std::initializer_list<role> roles = {});

/// Says on stderr how far it is.
void tell_round(int number, int of);

/// Throws std::runtime_error(what) unless `is_right`: a figure for a wrong result is worth nothing.
void require(bool is_right, const char* what);

}  // namespace bench
