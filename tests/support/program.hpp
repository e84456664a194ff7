// Client programs inside the test program: started as processes of their own, so that they can be killed or put elsewhere.
//
// The test program is what nodes get as code, like any user's program. Started with PP_TEST_PROGRAM=<name> it runs the client
// program of that name instead of the tests.
#pragma once

#include <functional>
#include <string>

#include "tests/support/child_process.hpp"

namespace pp::test {

/// Declare at namespace scope: `const pp::test::client_program counting("counting", [] { … return 0; });`
class client_program {
 public:
  client_program(const char* name, int (*body)());
};

/// How to start it; the caller adds the environment and the directory.
child_process::parameters start_of(const std::string& client_program_name);

/// Used by main(): the body of that name, or null.
int (*find_client_program(const std::string& name))();

}  // namespace pp::test
