// `ppserver key new|show|export|import`: the keyring in the hands of a person.
//
// Promises: nothing but `export` prints a key; nothing replaces a keyring that exists unless --add was given, and then
// what it holds stays; every file appears whole, with mode 0600. Exit statuses: 0, 64 usage, 73 the file cannot be
// written, 78 a keyring that is missing, in the way or malformed.
// Must not know: that there is a network.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace pp::ppserver {

/// Adds the subcommand. When the command line names it, `chosen` is what to run; its result is the exit status.
void add_key_command(CLI::App& app, std::function<int()>& chosen);

}  // namespace pp::ppserver
