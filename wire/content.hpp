// How what travels is named, whatever it is: a file of a program, or a value that jobs share.
#pragma once

#include <array>
#include <cstdint>

namespace pp::wire {

/// SHA-256 of the content.
using content_id = std::array<std::uint8_t, 32>;

}  // namespace pp::wire
