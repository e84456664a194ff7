// The one source of "now", so tests can move it by hand.
//
// Pure classes take a time_point as a parameter; only shells call now(). The steady clock decides everything; the wall
// clock is used for the discovery datagram and for log stamps alone.
#pragma once

#include <chrono>
#include <cstdint>

namespace pp {

using steady = std::chrono::steady_clock;
using time_point = steady::time_point;
using duration = steady::duration;

inline time_point now() { return steady::now(); }

/// Milliseconds since 1970, for datagrams only.
inline std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace pp
