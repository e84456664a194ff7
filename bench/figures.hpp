// What a benchmark measured: rows of figures, one per round, printed as a table and written as JSON for bench/tables.
//
// Promises: a ratio is always between two figures of the same round, so that both saw the same mood of the machine.
// Must not know: what is measured.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace bench {

using steady = std::chrono::steady_clock;

inline double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}
inline double micros_since(steady::time_point start) { return seconds_since(start) * 1e6; }

/// The value below which that share of `sample` lies. Requires: !sample.empty().
double percentile(std::vector<double> sample, double share);
inline double median(std::vector<double> sample) { return percentile(std::move(sample), 0.5); }

enum class better { less, more };

/// One thing measured in every round: by us, and by what it is compared with (a limit of the machine or a peer), if anything.
struct row {
  std::string goal;  ///< "P1", or empty: no goal, for information
  std::string name, unit;
  better direction = better::less;
  std::string other = {};                  ///< what `others` are
  std::optional<double> ratio_goal = {};   ///< for the median of ours / others
  std::optional<double> figure_goal = {};  ///< for the median of ours
  std::vector<double> ours = {}, others = {};

  void add(double our, double of_other) {
    ours.push_back(our);
    others.push_back(of_other);
  }
  std::vector<double> ratios() const;
};

/// A curve: one point per x and round.
struct curve {
  std::string plot;  ///< curves of one plot share its name
  std::string name, x_name, y_name;
  std::vector<double> x = {}, y = {};
};

class report {
 public:
  explicit report(std::string program) : program_(std::move(program)) {}
  /// The reference stays good.
  row& add(row r) { return rows_.emplace_back(std::move(r)); }
  curve& add_curve(curve c) { return curves_.emplace_back(std::move(c)); }
  void print() const;
  /// Throws std::runtime_error if the file cannot be written.
  void write_json(const std::string& file) const;

 private:
  std::string program_;
  std::deque<row> rows_;
  std::deque<curve> curves_;
};

}  // namespace bench
