#include "ppclient/quarantine.hpp"

#include <bit>

namespace pp::ppclient {

quarantine::entry& quarantine::at(node_index node) {
  if (node >= nodes_.size()) nodes_.resize(node + 1);
  return nodes_[node];
}

void quarantine::remember(entry& e, bool is_blame) {
  e.last = static_cast<std::uint16_t>((e.last << 1U | (is_blame ? 1U : 0U)) & ((1U << remembered) - 1));
  if (e.count < remembered) ++e.count;
}

bool quarantine::put(entry& e, state what) {
  if (e.is == what) return false;
  if (e.is == state::good) ++not_good_;
  if (what == state::good) --not_good_;
  e.is = what;
  return true;
}

bool quarantine::confine(entry& e, time_point at) {
  e.blamed = static_cast<unsigned>(std::popcount(e.last));
  e.of = e.count;
  e.until = at + term;
  return put(e, state::quarantined);
}

bool quarantine::on_success(node_index node) {
  entry& e = at(node);
  // In quarantine it may still end what it had, and what only it can run; that is no trial.
  if (e.is == state::on_trial) e.last = e.count = 0;
  remember(e, false);
  return e.is == state::on_trial && put(e, state::good);
}

bool quarantine::on_death(node_index node, time_point when) {
  entry& e = at(node);
  return e.is == state::on_trial && confine(e, when);
}

bool quarantine::on_blame(node_index node, time_point when) {
  entry& e = at(node);
  remember(e, true);
  const auto blamed = static_cast<unsigned>(std::popcount(e.last));
  const bool is_bad = blamed >= least_blame && 2 * blamed > e.count;
  if (e.is == state::quarantined || (e.is == state::good && !is_bad)) return false;
  return confine(e, when);
}

bool quarantine::on_time(node_index node, time_point when) {
  entry& e = at(node);
  return e.is == state::quarantined && when >= e.until && put(e, state::on_trial);
}

void quarantine::inherit(node_index heir, node_index from) {
  if (heir == from || from >= nodes_.size()) return;
  entry known = at(from);
  put(at(from), state::good);
  nodes_[from] = {};
  put(at(heir), known.is);
  nodes_[heir] = known;
}

std::string quarantine::reason(node_index node, time_point when) const {
  if (state_of(node) == state::good) return {};
  const entry& e = nodes_[node];
  const std::string why = "workers died here with " + std::to_string(e.blamed) + " of the last " +
                          std::to_string(e.of) + " jobs, which other nodes then did: look into its log; ";
  if (e.is == state::on_trial) return why + "one job at a time until one succeeds";
  const auto left = std::chrono::ceil<std::chrono::seconds>(e.until - when).count();
  return why + "no new jobs for " + std::to_string(left > 0 ? left : 0) + " s";
}

}  // namespace pp::ppclient
