// Where a function lies, independent of this process's addresses: module index and offset in 64 bits.
//
//   bits 63..48  1 + index of the module in the image's manifest; 0 = no function (a lambda needs none);
//                0xFFFF = bits 47..0 are no address but a virtual table offset of a member pointer
//   bits 47..0   offset from the module's load address (dl_iterate_phdr's dlpi_addr)
#pragma once

#include <cstdint>

namespace pp::code {

using location = std::uint64_t;

inline constexpr location no_location = 0;
inline constexpr std::uint64_t virtual_marker = 0xFFFF;
inline constexpr std::uint64_t offset_mask = (1ULL << 48U) - 1;

constexpr location make_location(std::uint16_t module, std::uint64_t offset) {
  return (static_cast<std::uint64_t>(module) + 1) << 48U | (offset & offset_mask);
}
constexpr std::uint64_t marker_of(location l) { return l >> 48U; }
constexpr std::uint16_t module_of(location l) { return static_cast<std::uint16_t>(marker_of(l) - 1); }
constexpr std::uint64_t offset_of(location l) { return l & offset_mask; }

}  // namespace pp::code
