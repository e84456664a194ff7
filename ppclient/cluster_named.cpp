// Functions called by name: what this client offers, and images it only knows from the nodes that have them.
#include "ppclient/cluster.hpp"

namespace pp::ppclient {

void cluster::offer(wire::offer what) {
  if (is_closing_) return;
  while (images_seen_ <= what.image) check_fits(images_seen_++);
  offered_ = std::move(what);
  for (const auto& l : links_) {
    if (l->is_ready()) l->send_offer(*offered_);
  }
}

bool cluster::query_functions(const std::string& node, std::function<void(std::string)> done) {
  link* const l = find_link(node);
  if (l == nullptr) return false;
  l->query_functions(std::move(done));
  return true;
}

void cluster::note_holders(std::uint32_t image, const std::set<std::string>& nodes) {
  if (is_closing_ || !images_[image].is_told()) return;
  while (images_seen_ <= image) check_fits(images_seen_++);
  const auto before = std::exchange(holders_[image], nodes);
  for (const auto& l : links_) {
    if (!l->is_ready()) continue;
    const auto id = to_hex(l->id().value_or(auth::node_id{}));
    // One that refused or lacked it goes on doing so on this connection.
    if (nodes.contains(id) && !before.contains(id) && !refused_told_.contains({l->node, image})) {
      scheduler_.on_fit(l->node, image);
    } else if (!nodes.contains(id)) {
      scheduler_.on_unfit(l->node, image);
    }
  }
  if (local_) keep_told_from(local_node_, "local");
}

/// Requires: nothing of it is known yet.
void cluster::keep_told_from(std::uint32_t node, const std::string& id) {
  for (const auto& [image, nodes] : holders_) {
    if (!nodes.contains(id)) scheduler_.on_unfit(node, image);
  }
}

// It had the program and has it no more. What it holds for it comes back, and goes to another that has it.
void cluster::on_link_lacks(link& from, std::uint32_t image) {
  for (const auto slot : scheduler_.jobs_on(from.node)) {
    const auto& record = *record_of(slot);
    if (record.image == image) from.cancel(record.id(), scheduler_.attempt(slot), wire::cancel_reason::recall);
  }
  refused_told_.insert({from.node, image});
  scheduler_.on_unfit(from.node, image);
  decide_soon();
}

}  // namespace pp::ppclient
