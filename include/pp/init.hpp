/// Must be the first call in main: turns this program into a worker when a node starts it as one.
///
/// Promises: in an ordinary start it only notes which file this program is (so that replacing the file while it runs
///           changes nothing) and returns; it changes no signal handler, no locale and no argument.
/// Threads:  main, once, before others are started.
#pragma once

namespace pp {

/// In a worker process this never returns: it runs jobs until the node has no more, then the process ends without
/// running main or the destructors of static objects. Static initialisers run in every worker before this is reached,
/// so keep them short and silent; what they print is shown only if the worker fails to start.
///
/// Throws: pp::error if the program's own file cannot be opened (no /proc).
void init(int argc, char** argv);

namespace detail {

/// True once init() was called; a client refuses to start without it.
bool is_initialised() noexcept;

}  // namespace detail
}  // namespace pp
