#include "base/block_pool.hpp"

#include <sys/mman.h>

#include <bit>
#include <new>

namespace pp {
namespace {

constexpr std::size_t huge_page = 2 * 1024 * 1024;

std::uintptr_t round_up(std::uintptr_t value, std::size_t to) { return (value + to - 1) / to * to; }

std::uint8_t* map(std::size_t size) {
  void* const got = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::uint8_t*>(got);
}

// Huge pages lie at multiples of their size, so a little more is mapped and the ends are cut off.
std::uint8_t* map_aligned(std::size_t size) {
  std::uint8_t* const all = map(size + huge_page);
  const auto begin = reinterpret_cast<std::uintptr_t>(all);
  const std::size_t before = round_up(begin, huge_page) - begin;
  std::uint8_t* const at = all + before;
  if (before > 0) ::munmap(all, before);
  ::munmap(at + size, huge_page - before);
  return at;
}

std::uint8_t* fresh(std::size_t size) {
  if (size < block_pool::huge_from) return map(size);
  std::uint8_t* const at = map_aligned(size);
  ::madvise(at, size, MADV_HUGEPAGE);  // a wish; without it the pages are small ones
  return at;
}

}  // namespace

// --- sizes -----------------------------------------------------------------------------------------------------------

std::size_t block_pool::rounded(std::size_t size) {
  if (size <= smallest) return smallest;
  const std::size_t step = std::bit_floor(size - 1) / 4;
  return round_up(size, step);
}

unsigned block_pool::row_of(std::size_t rounded_size) {
  const auto power = static_cast<unsigned>(std::bit_width(rounded_size)) - 1;
  const std::size_t quarter = (rounded_size - (std::size_t{1} << power)) >> (power - 2);
  return (power - first_power) * 4 + static_cast<unsigned>(quarter);
}

std::size_t block_pool::size_of_row(unsigned row) {
  const unsigned power = first_power + row / 4;
  return (std::size_t{1} << power) + (std::size_t{row % 4} << (power - 2));
}

// --- taking and giving back ------------------------------------------------------------------------------------------

block_pool::~block_pool() { keep_at_most(0); }

block block_pool::take(std::size_t size) {
  std::size_t whole = size;
  std::uint8_t* const at = take_raw(whole);
  // If there is no memory for the owner's own block, shared_ptr calls the deleter.
  std::shared_ptr<void> owner(at, [this, whole](void* p) { give_back(static_cast<std::uint8_t*>(p), whole); });
  return {std::move(owner), {at, size}};
}

std::uint8_t* block_pool::take_raw(std::size_t& size) {
  size = rounded(size);
  if (size > size_of_row(rows - 1)) throw std::bad_alloc();
  if (auto* const at = take_from(row_of(size))) return at;
  return fresh(size);
}

void block_pool::give_back(std::uint8_t* at, std::size_t size) noexcept {
  const unsigned row = row_of(size);
  if (size > most_kept_.load()) {  // not at the cost of all others
    ::munmap(at, size);
    return;
  }
  const bool counted = kept_.fetch_add(size) + size <= most_kept_.load() || make_room(size, row);
  if (counted && put_into(row, at)) return;
  if (counted) kept_ -= size;
  ::munmap(at, size);
}

std::uint8_t* block_pool::take_from(unsigned row) noexcept {
  for (auto& place : rows_[row].place) {
    if (place.load(std::memory_order_relaxed) == nullptr) continue;
    if (auto* const at = place.exchange(nullptr, std::memory_order_acq_rel)) {
      kept_ -= size_of_row(row);
      return at;
    }
  }
  return nullptr;
}

bool block_pool::put_into(unsigned row, std::uint8_t* at) noexcept {
  for (auto& place : rows_[row].place) {
    std::uint8_t* empty = nullptr;
    if (place.load(std::memory_order_relaxed) == nullptr &&
        place.compare_exchange_strong(empty, at, std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

// `size` bytes are counted already and are too many: sizes not used now make room for this one. False if they cannot;
// then the bytes are not counted any more.
bool block_pool::make_room(std::size_t size, unsigned except) noexcept {
  for (unsigned row = 0; row < rows; ++row) {
    if (row == except) continue;
    while (kept_.load() > most_kept_.load()) {
      auto* const at = take_from(row);
      if (at == nullptr) break;
      ::munmap(at, size_of_row(row));
    }
  }
  if (kept_.load() <= most_kept_.load()) return true;
  kept_ -= size;
  return false;
}

void block_pool::keep_at_most(std::size_t most) noexcept {
  most_kept_ = most;
  for (unsigned row = rows; row-- > 0 && kept_.load() > most;) drop(row);
}

void block_pool::drop(unsigned row) noexcept {
  while (auto* const at = take_from(row)) ::munmap(at, size_of_row(row));
}

block_pool& warm_blocks() {
  static auto* const pool = new block_pool;
  return *pool;
}

void expect_large_write(const void* at, std::size_t size) noexcept {
  if (size < block_pool::huge_from) return;
  const auto begin = round_up(reinterpret_cast<std::uintptr_t>(at), huge_page);
  const auto end = (reinterpret_cast<std::uintptr_t>(at) + size) / huge_page * huge_page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace pp
