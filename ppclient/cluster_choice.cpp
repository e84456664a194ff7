// The cluster's part in which nodes are used, how much, and what they have.
#include <algorithm>

#include "ppclient/cluster.hpp"

namespace pp::ppclient {

node_identity cluster::identity_of(const discovery::found_node& node, const std::vector<place>& places) const {
  node_identity who{node.name, to_hex(node.id), {}};
  for (const auto& p : places) who.addresses.push_back(p.text());
  return who;
}

/// One that was named, or has another name than it was found with. It is not asked again.
void cluster::refuse_excluded(link& from) const {
  if (!choice_.is_excluded(identity_of(from))) return;
  from.rest();
  throw error(errc::refused, "left out by options::exclude");
}

void cluster::weigh(std::uint32_t node, unsigned sixteenths) {
  if (sixteenths != node_choice::usual_weight) scheduler_.set_weight(node, sixteenths);
}

std::string cluster::left_out_text() const {
  std::string names;
  for (const auto& name : left_out_) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? names : "\n  not used, as options::nodes or options::exclude say: " + names;
}

// --- resources -------------------------------------------------------------------------------------------------------

void link::on_resources(const net::message& m) {
  const auto declared = wire::decode_declared(m.view);
  if (!declared || !is_welcome_ || !resources.empty()) throw error(errc::bad_message, "malformed or second RESOURCES");
  resources = *declared;
  owner_.on_link_resources(*this);
}

void cluster::on_link_resources(link& from) {
  if (from.node == scheduler::none) return;
  scheduler_.set_resources(from.node, from.resources);
  tell_fulfilled(from.node, identity_of(from));
  decide_soon();
}

}  // namespace pp::ppclient
