// What the tests of check-outs let run.
#pragma once

#include <unistd.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include <pp/pp.hpp>

#include "tests/support/wait.hpp"

namespace pp::test {

inline int process() { return getpid(); }
struct running_number {
  int value = 0;
};
inline int count_up() { return ++worker_state<running_number>().value; }
inline int wait_for_file(std::string path) {
  wait_until([&] { return access(path.c_str(), F_OK) == 0; });
  return getpid();
}
inline int begin_and_wait(std::string began, std::string path) {
  std::ofstream(began) << "x";
  return wait_for_file(path);
}
inline int throw_something() { throw std::runtime_error("no"); }

inline errc code_of(pp::future<int>& job, std::string* text = nullptr) {
  try {
    job.get();
  } catch (const pp::error& e) {
    if (text != nullptr) *text = e.what();
    return static_cast<errc>(e.code().value());
  }
  return errc{};
}

}  // namespace pp::test
