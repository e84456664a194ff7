// main() of every test program: a pp program like any user's, so that nodes can run its functions.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pp/init.hpp>

#include "tests/support/program.hpp"

// Jobs that crash on purpose must die of the signal they raise, also in a sanitizer build.
extern "C" const char* __asan_default_options() {
  return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0";
}
extern "C" const char* __tsan_default_options() {
  return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0";
}

namespace pp::test {
namespace {

std::map<std::string, int (*)()>& programs() {
  static std::map<std::string, int (*)()> all;
  return all;
}

}  // namespace

client_program::client_program(const char* name, int (*body)()) { programs()[name] = body; }

int (*find_client_program(const std::string& name))() {
  const auto found = programs().find(name);
  return found == programs().end() ? nullptr : found->second;
}

child_process::parameters start_of(const std::string& name) {
  child_process::parameters p;
  p.arguments = {std::filesystem::read_symlink("/proc/self/exe").string()};
  p.environment["PP_TEST_PROGRAM"] = name;
  p.label = name;
  return p;
}

}  // namespace pp::test

namespace {

// Nothing of the user's own configuration may reach a test, and no test may reach beyond the loopback interface.
void forget_the_environment() {
  for (const char* name : {"PP_NODES", "PP_SECRET", "PP_SECRET_FILE", "PP_LOCAL_WORKERS", "PP_DISCOVERY", "PP_LOG",
                           "PP_DISCOVERY_PORT", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"}) {
    unsetenv(name);
  }
  setenv("PP_INTERFACES", "lo", 1);
  setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

}  // namespace

int main(int argc, char** argv) {
  // A program that forgot pp::init is a case of its own; everybody else calls it first.
  const char* name = std::getenv("PP_TEST_PROGRAM");
  if (name == nullptr || std::string(name) != "no_init") pp::init(argc, argv);
  if (name != nullptr) {
    const auto body = pp::test::find_client_program(name);
    if (body != nullptr) return body();
    std::fprintf(stderr, "there is no client program %s\n", name);
    return 64;
  }
  forget_the_environment();
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
