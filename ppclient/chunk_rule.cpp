#include "ppclient/chunk_rule.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

constexpr double wanted_ns =
    8e6;  ///< long enough that what a chunk costs besides does not count, short enough to balance
constexpr double least_ns = 2e5;   ///< below, sending a chunk costs more than it helps
constexpr double byte_ns = 1;      ///< about, through two processes and a connection
constexpr double clock_ns = 1000;  ///< run times are told in microseconds, rounded down
constexpr std::uint64_t growth = 16;
constexpr std::uint64_t first_items = 16;

// Beyond 64 KiB a message's bytes travel as a block of their own. Chunks of 32 to 256 KiB were about equally fast, of 1 MiB
// clearly slower. A little is left for what stands in front of the items.
constexpr std::size_t full_bytes = (64U << 10U) - 512;

}  // namespace

chunk_rule::chunk_rule(std::size_t fixed) : fixed_(fixed) {
  if (fixed > largest) {
    throw error(errc::bad_option, "map_options.chunk must be 1 to " + std::to_string(largest) + ", or 0 = automatic");
  }
}

void chunk_rule::on_done(std::uint64_t items, std::size_t bytes, std::chrono::microseconds run_time) {
  const double run_ns = static_cast<double>(run_time.count()) * 1000 + clock_ns;
  items_ = items_ / 2 + static_cast<double>(items);
  cost_ns_ = cost_ns_ / 2 + run_ns + static_cast<double>(bytes) * byte_ns;
  bytes_ = bytes_ / 2 + static_cast<double>(bytes);
  most_items_ = std::max(most_items_, items);
}

std::size_t chunk_rule::most_bytes() const {
  return fixed_ != 0 ? std::numeric_limits<std::size_t>::max() : full_bytes;
}

// Requires: something came back.
std::uint64_t chunk_rule::measured_size() const {
  const double by_time = wanted_ns * items_ / cost_ns_;
  const double by_bytes = static_cast<double>(2 * full_bytes) * items_ / std::max(bytes_, 1.0);
  const double by_growth = static_cast<double>(most_items_ * growth);
  return static_cast<std::uint64_t>(std::min({by_time, by_bytes, by_growth, static_cast<double>(largest)}));
}

std::uint64_t chunk_rule::next(unsigned slots, std::optional<std::uint64_t> left) const {
  if (fixed_ != 0) return fixed_;
  const std::uint64_t shares = std::uint64_t{chunks_per_slot} * std::max(slots, 1U);
  if (items_ == 0) return left ? std::clamp<std::uint64_t>(*left / (growth * shares), 1, first_items) : 1;
  std::uint64_t size = measured_size();
  if (left) {
    const auto worth_sending = static_cast<std::uint64_t>(least_ns * items_ / cost_ns_);
    size = std::min(size, std::max(*left / shares, worth_sending));
  }
  return std::max<std::uint64_t>(size, 1);
}

}  // namespace pp::ppclient
