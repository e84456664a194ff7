#include "bench/figures.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace bench {
namespace {

std::string range_of(const std::vector<double>& v) {
  if (v.empty()) return std::string(32, ' ');
  char text[96];
  std::snprintf(text, sizeof text, "%10.4g %10.4g %10.4g", percentile(v, 0), percentile(v, 0.5), percentile(v, 1));
  return text;
}

std::string goal_of(const std::optional<double>& goal, better direction, const char* unit) {
  if (!goal) return {};
  char text[64];
  std::snprintf(text, sizeof text, " %s %.4g%s", direction == better::less ? "<=" : ">=", *goal, unit);
  return text;
}

void print(const row& r) {
  std::printf("%-4s%-40s %-7s %s   %-20s %s", r.goal.c_str(), r.name.c_str(), r.unit.c_str(), range_of(r.ours).c_str(),
              r.other.c_str(), range_of(r.others).c_str());
  if (const auto ratios = r.ratios(); !ratios.empty()) std::printf("  %s", range_of(ratios).c_str());
  std::printf("%s%s\n", goal_of(r.ratio_goal, r.direction, " x").c_str(),
              goal_of(r.figure_goal, r.direction, (" " + r.unit).c_str()).c_str());
}

nlohmann::json number_or_null(const std::optional<double>& n) {
  return n ? nlohmann::json(*n) : nlohmann::json(nullptr);
}

nlohmann::json json_of(const row& r) {
  return {{"goal", r.goal},
          {"name", r.name},
          {"unit", r.unit},
          {"better", r.direction == better::less ? "less" : "more"},
          {"other", r.other},
          {"ratio_goal", number_or_null(r.ratio_goal)},
          {"figure_goal", number_or_null(r.figure_goal)},
          {"ours", r.ours},
          {"others", r.others}};
}

nlohmann::json json_of(const curve& c) {
  return {{"plot", c.plot}, {"name", c.name}, {"x_name", c.x_name}, {"y_name", c.y_name}, {"x", c.x}, {"y", c.y}};
}

}  // namespace

double percentile(std::vector<double> sample, double share) {
  std::sort(sample.begin(), sample.end());
  const auto last = static_cast<double>(sample.size() - 1);
  return sample[static_cast<std::size_t>(last * share + 0.5)];
}

std::vector<double> row::ratios() const {
  std::vector<double> out;
  for (std::size_t i = 0; i < std::min(ours.size(), others.size()); ++i) out.push_back(ours[i] / others[i]);
  return out;
}

void report::print() const {
  std::printf("%-44s %-7s %32s   %-53s  %s\n", program_.c_str(), "", "ours: min, median, max",
              "compared with: min, median, max", "ratio: min, median, max, goal");
  for (const auto& r : rows_) bench::print(r);
}

void report::write_json(const std::string& file) const {
  nlohmann::json all{{"program", program_}, {"rows", nlohmann::json::array()}, {"curves", nlohmann::json::array()}};
  for (const auto& r : rows_) all["rows"].push_back(json_of(r));
  for (const auto& c : curves_) all["curves"].push_back(json_of(c));
  std::ofstream out(file);
  out << all.dump(1) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

}  // namespace bench
