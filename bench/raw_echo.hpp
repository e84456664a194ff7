// What the machine can do at best with large payloads over TLS 1.3: an echo of Asio streams over loopback, the server in a process
// of its own, whole blocks, and as many of them in flight as pp has in the row beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// Runs the server: prints its port as one line on stdout, serves until stdin ends. A role of the program.
int serve_raw_echo(int argc, char** argv);

/// 10^6 bytes a second, one way, for `count` blocks sent there and back, at most `window` of them on their way. Throws
/// std::runtime_error if a block does not come back as it was.
double raw_echo_rate(std::uint16_t port, const std::vector<std::uint8_t>& block, std::size_t count, std::size_t window);

}  // namespace bench
