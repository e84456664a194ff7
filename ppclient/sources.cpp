#include "ppclient/sources.hpp"

#include <algorithm>

namespace pp::ppclient {
namespace {

/// 127.0.0.0/8 and ::1: that address is somebody else's on another machine.
bool is_loopback(const wire::holder& h) {
  if (h.family == 4) return h.address[0] == 127;
  return h.address[15] == 1 && std::all_of(h.address.begin(), h.address.end() - 1, [](auto b) { return b == 0; });
}

}  // namespace

// The usual sizes of one network: an IPv4 /24, an IPv6 /64.
bool sources::is_near(const wire::holder& a, const wire::holder& b) {
  if (a.family != b.family || is_loopback(a) != is_loopback(b)) return false;
  const std::ptrdiff_t length = a.family == 4 ? 3 : 8;
  return is_loopback(a) || std::equal(a.address.begin(), a.address.begin() + length, b.address.begin());
}

// What the client reaches over loopback is on its own machine, and only others there can take that address for the same.
bool sources::can_reach(const wire::holder& from, const wire::holder& to) {
  return !is_loopback(to) || is_loopback(from);
}

void sources::add(node n, const wire::holder& at, bool takes_part) { nodes_[n] = {at, takes_part}; }

void sources::remove(node n) {
  nodes_.erase(n);
  for (auto& [content, all] : contents_) all.erase(n);
  std::erase_if(contents_, [](const auto& c) { return c.second.empty(); });
}

void sources::on_have(node n, const wire::content_id& content) {
  if (is_on_ && nodes_.contains(n)) contents_[content][n] = {state::has, 0};
}

void sources::on_need(node n, const wire::content_id& content) {
  const auto known = contents_.find(content);
  if (known == contents_.end()) return;
  auto& all = known->second;
  const auto at = all.find(n);
  if (at == all.end()) return;
  const bool was_in_vain = at->second.is == state::fetching;
  const node from = at->second.from;
  if (!was_in_vain) {
    all.erase(at);
    return;
  }
  at->second = {state::failed, 0};
  // It may hold something else than it believes: it is not named again until it says so again.
  if (const auto holder = all.find(from); holder != all.end() && holder->second.is == state::has) all.erase(holder);
}

void sources::forget(node n, const wire::content_id& content) {
  const auto known = contents_.find(content);
  if (known == contents_.end()) return;
  known->second.erase(n);
  if (known->second.empty()) contents_.erase(known);
}

void sources::on_unfit(node n) {
  for (auto& [content, all] : contents_) {
    const auto at = all.find(n);
    if (at != all.end() && at->second.is != state::has) all.erase(at);
  }
}

void sources::on_sent(node to, const wire::content_id& content) {
  const auto known = contents_.find(content);
  if (known == contents_.end()) return;
  const auto at = known->second.find(to);
  if (at != known->second.end() && at->second.is == state::sending) at->second.is = state::sent;
}

bool sources::is_client_sending() const {
  return std::any_of(contents_.begin(), contents_.end(), [](const auto& c) {
    return std::any_of(c.second.begin(), c.second.end(), [](const auto& s) { return s.second.is == state::sending; });
  });
}

unsigned sources::fetches_from(node n) const {
  unsigned count = 0;
  for (const auto& [content, all] : contents_) {
    for (const auto& [to, s] : all) count += s.is == state::fetching && s.from == n ? 1 : 0;
  }
  return count;
}

sources::decision sources::decide(node to, const wire::content_id& content, std::uint64_t size, bool may_wait) {
  const auto asking = nodes_.find(to);
  if (!is_on_ || size < wire::least_shared_bytes || asking == nodes_.end() || !asking->second.takes_part) return {};
  auto& all = contents_[content];
  const auto own = all.find(to);
  if (own != all.end() && own->second.is == state::failed) return {};
  bool is_worth_waiting = false;
  auto found = from_holders(to, all, is_worth_waiting);
  if (found.from == way::peers) {
    const auto first = std::find_if(nodes_.begin(), nodes_.end(),
                                    [&](const auto& n) { return n.second.at.node == found.holders.front().node; });
    all[to] = {state::fetching, first->first};
    return found;
  }
  if (may_wait && (is_worth_waiting || will_come_near(to, all))) return {way::later};
  all[to] = {state::sending, 0};
  return {};
}

sources::decision sources::from_holders(node to, const standings& all, bool& is_worth_waiting) const {
  struct candidate {
    bool is_far = false;
    unsigned load = 0;
    wire::holder at;
  };
  const auto& own = nodes_.at(to).at;
  const bool takes_far = is_client_sending();
  std::vector<candidate> found;
  for (const auto& [n, s] : all) {
    if (n == to || s.is != state::has || !can_reach(own, nodes_.at(n).at)) continue;
    const candidate c{!is_near(own, nodes_.at(n).at), fetches_from(n), nodes_.at(n).at};
    if (c.is_far && !takes_far) continue;
    if (c.load >= most_per_holder)
      is_worth_waiting = is_worth_waiting || !c.is_far;
    else
      found.push_back(c);
  }
  if (found.empty()) return {};
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::pair(a.is_far, a.load) < std::pair(b.is_far, b.load);
  });
  decision out{way::peers};
  for (std::size_t i = 0; i < std::min(found.size(), wire::max_holders); ++i) out.holders.push_back(found[i].at);
  return out;
}

bool sources::will_come_near(node to, const standings& all) const {
  const auto& own = nodes_.at(to).at;
  return std::any_of(all.begin(), all.end(), [&](const auto& s) {
    const bool is_coming =
        s.second.is == state::sending || s.second.is == state::sent || s.second.is == state::fetching;
    const auto& other = nodes_.at(s.first);
    return is_coming && s.first != to && other.takes_part && is_near(own, other.at) && can_reach(own, other.at);
  });
}

}  // namespace pp::ppclient
