// Checks of one program variant: each submits some kind of function to a node and compares what comes back.
#pragma once

#include <pp/client.hpp>

namespace kinds {

/// Prints a line for each kind that went wrong; returns how many did.
int check_all(pp::client& client);

/// Set by a static initialiser; workers run those too.
extern const int set_before_main;

}  // namespace kinds
