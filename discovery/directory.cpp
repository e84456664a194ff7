#include "discovery/directory.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "base/check.hpp"

namespace pp::discovery {
namespace {

// With all dials in use nobody knows when the first will end, so it is worth looking again soon.
constexpr auto crowded_pause = std::chrono::milliseconds(100);

}  // namespace

std::string endpoint::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  inet_ntop(address.family == 4 ? AF_INET : AF_INET6, address.bytes.data(), host, sizeof host);
  const auto number = std::to_string(port);
  return address.family == 4 ? host + (":" + number) : "[" + std::string(host) + "]:" + number;
}

std::vector<change> directory::on_sighting(const sighting& s, time_point now) {
  PP_ASSERT(s.message != nullptr);
  const auto& m = *s.message;
  const bool goodbye = m.type == wire::announce_type::goodbye;
  std::vector<change> out;
  auto known = entries_.find(m.node_id);
  const bool is_new = known == entries_.end();
  // A goodbye of a node, or a boot, we never met changes nothing, and says nothing we could use.
  if (goodbye ? is_new || known->second.node.boot != m.boot_id : s.endpoints.empty()) return out;
  if (is_new) {
    make_room(out);
    known = entries_.emplace(m.node_id, entry{}).first;
    known->second.node.id = m.node_id;
    known->second.node.boot = m.boot_id;
  }
  auto& e = known->second;
  const bool was_draining = e.node.draining;
  e.node.last_heard = now;
  bool differs = apply_state(e, m);
  if (!goodbye) {
    e.node.same_host = s.same_host;
    e.node.clock_offset_ms = s.clock_offset_ms;
    differs = merge_endpoints(e, s, now) || differs;
  }
  if (is_new) {
    out.push_back({change_kind::appeared, e.node});
  } else if (e.node.draining && !was_draining) {
    out.push_back({change_kind::draining, e.node});
  } else if (differs) {
    out.push_back({change_kind::changed, e.node});
  }
  return out;
}

// Datagrams overtake one another: an announcement made before a goodbye must not undo it.
bool directory::apply_state(entry& e, const wire::announce& m) {
  auto& n = e.node;
  const bool new_boot = n.boot != m.boot_id;
  if (!new_boot && m.seq < e.newest_seq) return false;
  e.newest_seq = m.seq;
  if (new_boot) {
    n.boot = m.boot_id;
    n.endpoints.clear();
    e.endpoint_heard.clear();
  }
  const bool draining = m.draining || m.type == wire::announce_type::goodbye;
  const bool differs = new_boot || n.draining != draining || n.name != m.name || n.slots != m.slots ||
                       n.features != m.features || n.proto_min != m.proto_min || n.proto_max != m.proto_max;
  n.name = m.name;
  n.draining = draining;
  n.slots = m.slots;
  n.free = m.free;
  n.load_milli = m.load_milli;
  n.mem_free_mib = m.mem_free_mib;
  n.features = m.features;
  n.proto_min = m.proto_min;
  n.proto_max = m.proto_max;
  return differs;
}

// Each interface's announcement lists the addresses there, so the whole is the union of what was heard lately.
bool directory::merge_endpoints(entry& e, const sighting& s, time_point now) {
  bool differs = false;
  for (const auto& p : s.endpoints) {
    const auto at = std::find(e.node.endpoints.begin(), e.node.endpoints.end(), p);
    if (at != e.node.endpoints.end()) {
      e.endpoint_heard[static_cast<std::size_t>(at - e.node.endpoints.begin())] = now;
    } else if (e.node.endpoints.size() < limits_.endpoints_per_node) {
      e.node.endpoints.push_back(p);
      e.endpoint_heard.push_back(now);
      differs = true;
    }
  }
  return drop_silent_endpoints(e, now) || differs;
}

bool directory::drop_silent_endpoints(entry& e, time_point now) const {
  bool differs = false;
  for (std::size_t i = e.node.endpoints.size(); i-- > 0;) {
    if (now - e.endpoint_heard[i] < limits_.expiry || e.node.endpoints.size() == 1) continue;
    e.node.endpoints.erase(e.node.endpoints.begin() + static_cast<std::ptrdiff_t>(i));
    e.endpoint_heard.erase(e.endpoint_heard.begin() + static_cast<std::ptrdiff_t>(i));
    differs = true;
  }
  return differs;
}

void directory::make_room(std::vector<change>& out) {
  if (entries_.size() < limits_.nodes) return;
  const auto silent = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return a.second.node.last_heard < b.second.node.last_heard;
  });
  out.push_back({change_kind::expired, std::move(silent->second.node)});
  entries_.erase(silent);
}

std::vector<change> directory::on_tick(time_point now) {
  std::vector<change> out;
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (now - at->second.node.last_heard < limits_.expiry) {
      if (drop_silent_endpoints(at->second, now)) out.push_back({change_kind::changed, at->second.node});
      ++at;
      continue;
    }
    out.push_back({change_kind::expired, std::move(at->second.node)});
    at = entries_.erase(at);
  }
  forget_old_dials(now);
  return out;
}

const found_node* directory::find(const node_id& id) const {
  const auto known = entries_.find(id);
  return known == entries_.end() ? nullptr : &known->second.node;
}

std::vector<found_node> directory::nodes() const {
  std::vector<found_node> out;
  for (const auto& [id, e] : entries_) out.push_back(e.node);
  return out;
}

bool directory::waits(const dial& d, const node_id& id, time_point now) const {
  if (d.running) return true;
  const auto* node = find(id);
  return now - d.started < limits_.dial_interval && (node == nullptr || node->boot == d.boot);
}

bool directory::may_dial(const node_id& id, time_point now) {
  const auto* node = find(id);
  const auto before = dials_.find(id);
  if (node == nullptr || dials_running_ >= limits_.dials_at_once) return false;
  if (before != dials_.end() && waits(before->second, id, now)) return false;
  dials_[id] = {now, node->boot, true};
  ++dials_running_;
  return true;
}

void directory::on_dial_ended(const node_id& id) {
  const auto known = dials_.find(id);
  if (known == dials_.end() || !known->second.running) return;
  known->second.running = false;
  --dials_running_;
}

time_point directory::next_dial(const node_id& id, time_point now) const {
  if (find(id) == nullptr) return now + limits_.dial_interval;  // may_dial() says no until it is heard of again
  const auto before = dials_.find(id);
  const auto soonest = dials_running_ < limits_.dials_at_once ? now : now + crowded_pause;
  if (before == dials_.end() || !waits(before->second, id, now)) return soonest;
  return std::max(soonest, before->second.started + limits_.dial_interval);
}

void directory::forget_old_dials(time_point now) {
  std::erase_if(dials_, [&](const auto& known) {
    const auto& d = known.second;
    return !d.running && now - d.started >= limits_.dial_interval;
  });
}

}  // namespace pp::discovery
