// Figures of several rounds: minimum, median, maximum, and the ratio to a raw TLS echo of the same round.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace bench {

using steady = std::chrono::steady_clock;

inline double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

/// The value below which that share of `sample` lies. Requires: !sample.empty().
double percentile(std::vector<double> sample, double share);

/// One thing measured in every round, by pp and by the raw echo.
struct comparison {
  std::string name;
  std::string unit;
  std::vector<double> pp, raw;
};

/// A line with min/median/max of both and the median of the rounds' ratios pp : raw.
void print(const comparison& c);
void print_heading();

}  // namespace bench
