#include "ppclient/node_choice.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

constexpr double least_weight = 0.1, most_weight = 100;
/// Fewer digits of an id than these would be met by chance, or by a pattern that means names.
constexpr std::size_t least_id_digits = 8;

void check_pattern(const std::string& option, const std::string& pattern) {
  const bool is_one = !pattern.empty() && pattern.find(',') == std::string::npos && pattern.front() != '!';
  if (is_one && wrong_pattern(pattern).empty()) return;
  throw error(errc::bad_option,
              option + " must be patterns as a shell has them, one each, which '" + pattern + "' is not");
}

bool is_meant(const std::string& pattern, const node_identity& who) {
  if (matches(pattern, who)) return true;
  return pattern.find_first_of("*?[") >= least_id_digits && ::fnmatch(pattern.c_str(), who.id.c_str(), 0) == 0;
}

bool is_any_meant(const std::vector<std::string>& patterns, const node_identity& who) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return is_meant(p, who); });
}

void check_weight(const std::string& pattern, double weight) {
  check_pattern("options.weights", pattern);
  if (!(weight >= least_weight && weight <= most_weight))
    throw error(errc::bad_option, "options.weights['" + pattern + "'] must be 0.1 to 100");
}

}  // namespace

bool is_pattern(const std::string& entry) { return entry.find_first_of("*?") != std::string::npos; }

node_choice::node_choice(const options& o) : excluded_(o.exclude), weights_(o.weights) {
  for (const auto& pattern : excluded_) check_pattern("options.exclude", pattern);
  for (const auto& [pattern, weight] : weights_) check_weight(pattern, weight);
  for (const auto& entry : o.nodes) {
    if (is_pattern(entry)) {
      check_pattern("options.nodes", entry);
      wanted_.push_back(entry);
    } else if (!is_excluded({{}, {}, {entry}})) {
      named_.push_back(entry);
    }
  }
}

bool node_choice::is_excluded(const node_identity& who) const { return is_any_meant(excluded_, who); }

bool node_choice::uses_found(const node_identity& who) const {
  return !is_excluded(who) && (wanted_.empty() || is_any_meant(wanted_, who));
}

unsigned node_choice::weight_of(const node_identity& who) const {
  double product = 1;
  for (const auto& [pattern, weight] : weights_) product *= is_meant(pattern, who) ? weight : 1;
  return static_cast<unsigned>(std::lround(usual_weight * std::clamp(product, least_weight, most_weight)));
}

}  // namespace pp::ppclient
