// Large buffers that are used again instead of fresh ones: the first touch of a fresh page costs more than a copy into it.
//
// Promises: take() gives at least as many bytes as were asked for, on whole pages, with any content; a block goes back when its
// last copy goes, in whatever thread; no more than the agreed number of bytes is kept, the rest goes back to the kernel. No lock:
// what is kept lies in fixed rows of atomic pointers. Blocks of 4 MiB and more ask for huge pages, which makes also the first touch
// cheap. Memory that is taken and not written costs no pages.
// Threads: any. Must not know: what the bytes mean.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/block.hpp"

namespace pp {

class block_pool {
 public:
  static constexpr std::size_t smallest = 64 * 1024;  ///< what is asked for below this gets this
  static constexpr std::size_t huge_from = 4 * 1024 * 1024;
  static constexpr std::size_t usually_kept = 256 * 1024 * 1024;

  explicit block_pool(std::size_t most_kept = usually_kept) : most_kept_(most_kept) {}
  /// Requires: everything taken has been given back.
  ~block_pool();
  block_pool(const block_pool&) = delete;
  block_pool& operator=(const block_pool&) = delete;

  /// Throws std::bad_alloc.
  block take(std::size_t size);

  /// The same by hand: at least `size` bytes; `size` becomes what there is. Throws std::bad_alloc.
  std::uint8_t* take_raw(std::size_t& size);
  /// Requires: `size` is what take_raw() said.
  void give_back(std::uint8_t* at, std::size_t size) noexcept;

  /// 0 for a process that must give back what it does not use.
  void keep_at_most(std::size_t most) noexcept;
  std::size_t kept_bytes() const { return kept_.load(std::memory_order_relaxed); }
  /// What a buffer of `size` bytes really takes: at most a quarter more.
  static std::size_t rounded(std::size_t size);

 private:
  // Four sizes in each power of two, from 64 KiB to 2 GiB; the more places the smaller they are.
  static constexpr unsigned first_power = 16, last_power = 31;
  static constexpr unsigned rows = (last_power - first_power) * 4 + 1;
  static constexpr unsigned places = 64;
  struct shelf {
    std::atomic<std::uint8_t*> place[places] = {};
  };
  static unsigned row_of(std::size_t rounded_size);
  static std::size_t size_of_row(unsigned row);
  std::uint8_t* take_from(unsigned row) noexcept;
  bool put_into(unsigned row, std::uint8_t* at) noexcept;
  bool make_room(std::size_t size, unsigned except) noexcept;
  void drop(unsigned row) noexcept;

  std::atomic<std::size_t> most_kept_;
  std::atomic<std::size_t> kept_{0};
  shelf rows_[rows];
};

/// The pool of this process, as there is one heap; it is never destroyed, so blocks may outlive main().
block_pool& warm_blocks();

/// Memory of somebody else's that is about to be written in full: asks for huge pages where it is large.
void expect_large_write(const void* at, std::size_t size) noexcept;

}  // namespace pp
