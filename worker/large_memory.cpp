// What include/pp/detail/large_memory.hpp promises, out of the process's pool of warm blocks.
#include "pp/detail/large_memory.hpp"

#include "base/block_pool.hpp"

namespace pp::detail {

std::uint8_t* take_large(std::size_t& size) { return warm_blocks().take_raw(size); }

void give_large(std::uint8_t* at, std::size_t size) noexcept { warm_blocks().give_back(at, block_pool::rounded(size)); }

void expect_large_write(const void* at, std::size_t size) noexcept { pp::expect_large_write(at, size); }

}  // namespace pp::detail
