// The work that is given to every system alike: burning CPU, and the mixed job lengths.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace bench {

inline double thread_cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Computes until the thread has used so much CPU time: what others take away from the core makes it last longer.
inline void burn(double seconds) {
  const double end = thread_cpu_seconds() + seconds;
  while (thread_cpu_seconds() < end) {
  }
}

/// 90 % 2 ms and 10 % 50 ms, the same everywhere (peer_pool.py has it too).
inline std::vector<double> mixed_lengths(std::size_t count) {
  std::uint64_t x = 42;
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) {
    x = (1103515245 * x + 12345) & 0x7fffffff;
    out.push_back((x >> 16U) % 10 == 0 ? 0.050 : 0.002);
  }
  return out;
}

/// What two workers that never wait need for it.
inline double bound_of(const std::vector<double>& lengths) {
  return std::max(std::accumulate(lengths.begin(), lengths.end(), 0.0) / 2,
                  *std::max_element(lengths.begin(), lengths.end()));
}

}  // namespace bench
