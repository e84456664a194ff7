#include "bench/figures.hpp"

#include <algorithm>
#include <cstdio>

namespace bench {
namespace {

std::string range_of(const std::vector<double>& v) {
  char text[96];
  std::snprintf(text, sizeof text, "%10.4g %10.4g %10.4g", percentile(v, 0), percentile(v, 0.5), percentile(v, 1));
  return text;
}

}  // namespace

double percentile(std::vector<double> sample, double share) {
  std::sort(sample.begin(), sample.end());
  const auto last = static_cast<double>(sample.size() - 1);
  return sample[static_cast<std::size_t>(last * share + 0.5)];
}

void print_heading() {
  std::printf("%-26s %-6s %32s   %32s   %s\n", "", "", "pp: min, median, max", "raw TLS echo: min, median, max",
              "pp : raw");
}

void print(const comparison& c) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < c.pp.size(); ++i) ratios.push_back(c.pp[i] / c.raw[i]);
  std::printf("%-26s %-6s %s   %s   %.2f [%.2f - %.2f]\n", c.name.c_str(), c.unit.c_str(), range_of(c.pp).c_str(),
              range_of(c.raw).c_str(), percentile(ratios, 0.5), percentile(ratios, 0), percentile(ratios, 1));
}

}  // namespace bench
