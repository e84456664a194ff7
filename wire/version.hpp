// The protocol version, and one line for every version there ever was.
#pragma once

#include <cstdint>

namespace pp::wire {

//   1   2026-11   first release
inline constexpr std::uint8_t protocol_min = 1;
inline constexpr std::uint8_t protocol_max = 1;

}  // namespace pp::wire
