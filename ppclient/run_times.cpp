#include "ppclient/run_times.hpp"

#include <algorithm>
#include <cmath>

namespace pp::ppclient {
namespace {

constexpr std::uint32_t kind_memory = 64, node_memory = 32;
constexpr std::uint32_t enough_for_limit = 3, enough_for_speed = 8;

}  // namespace

run_times::mean& run_times::mean_of(std::uint64_t kind) {
  if (last_ == nullptr || last_kind_ != kind) {
    last_ = &kinds_[kind];
    last_kind_ = kind;
  }
  return *last_;
}

void run_times::note(std::uint64_t kind, node_index node, std::uint32_t run_us) {
  mean& usual = mean_of(kind);
  usual.add(run_us, kind_memory);
  if (usual.value < shortest_telling_us) return;
  if (node >= nodes_.size()) nodes_.resize(node + 1);
  nodes_[node].relative.add(run_us / usual.value, node_memory);
}

std::uint64_t run_times::limit_us(std::uint64_t kind) const {
  const auto found = kinds_.find(kind);
  if (found == kinds_.end() || found->second.count < enough_for_limit) return 0;
  return std::max<std::uint64_t>(shortest_limit_us, static_cast<std::uint64_t>(2 * found->second.value));
}

double run_times::speed(node_index node) const {
  if (node >= nodes_.size() || nodes_[node].relative.count < enough_for_speed) return 1;
  return std::clamp(1 / std::max(nodes_[node].relative.value, 0.01), 0.25, 4.0);
}

unsigned run_times::news_of(node_index node) {
  if (node >= nodes_.size()) return 0;
  unsigned& told = nodes_[node].told;
  const auto now = static_cast<unsigned>(std::lround(16 * speed(node)));
  const unsigned difference = now > told ? now - told : told - now;
  return difference * 8 > told ? told = now : 0;
}

}  // namespace pp::ppclient
