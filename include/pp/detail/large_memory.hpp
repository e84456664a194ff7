// Memory for large payloads: warm buffers of the library instead of fresh ones, whose first touch costs more than the copy.
//
// Promises: what is taken may be given back from any thread.
// Must not know: what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pp::detail {

/// From here on memory comes from take_large().
inline constexpr std::size_t large_memory = std::size_t{256} * 1024;

/// At least `size` bytes of any content; `size` becomes how many there are. Throws std::bad_alloc.
std::uint8_t* take_large(std::size_t& size);
/// Requires: `size` is what take_large() told, or what it was asked for.
void give_large(std::uint8_t* at, std::size_t size) noexcept;
/// `size` bytes of anybody's fresh memory are about to be written: makes that cheap where they are many.
void expect_large_write(const void* at, std::size_t size) noexcept;

}  // namespace pp::detail
