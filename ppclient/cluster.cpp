#include "ppclient/cluster.hpp"

#include <algorithm>

#include "auth/key_places.hpp"
#include "base/cpus.hpp"
#include "base/log.hpp"
#include "code/fit.hpp"
#include "net/deadline.hpp"
#include "ppclient/settings.hpp"
#include "worker/usage.hpp"

namespace pp::ppclient {
namespace {

// A node on this machine answers a query within a few milliseconds; only if none does are local workers used.
constexpr duration local_grace = std::chrono::milliseconds(60);
constexpr duration local_grace_if_seen = std::chrono::seconds(1);
constexpr duration local_retry = std::chrono::seconds(30);

}  // namespace

cluster::cluster(net::executor ex, const options& o, const client_keys& keys, detail::record_pool& records,
                 image_book& images, journal* kept)
    : executor_(ex),
      options_(o),
      keys_(keys),
      records_(records),
      images_(images),
      journal_(kept),
      tasks_(ex),
      tls_(net::tls_context::client()),
      contents_(o.peer_transfer),
      link_context_{o, keys.keys, tls_, auth::random_array<16>(), &contents_},
      post_mortem_(o.capsule_dir),
      scheduler_(o.attempts),
      road_(local_road()),
      choice_(o),
      wanted_local_(o.local) {
  records.client_id = link_context_.client_id;
  for (const auto& node : choice_.named()) parse_place(node);
  if (o.discovery) where_ = discovery::select_interfaces(o.interfaces);
}

cluster::~cluster() = default;

void cluster::start() {
  local_name_ = records_.keep_name("local");
  if (!keys_.keys.empty()) {
    for (const auto& node : choice_.named()) {
      std::vector<place> only{parse_place(node)};
      add_link(std::move(only), std::nullopt);
    }
    if (where_) {
      discovery::browser::options b;
      b.where = *where_;
      b.port = options_.discovery_port;
      b.client_id = link_context_.client_id;
      browser_ = std::make_unique<discovery::browser>(executor_, std::move(b), keys_.keys);
      browser_->on_change([this](const discovery::change& c) { on_found(c); });
      tasks_.spawn("browser", browser_->run());
    }
  }
  tasks_.spawn("local workers", decide_local());
  tasks_.spawn("watch", watch());
}

// --- nodes -----------------------------------------------------------------------------------------------------------

link& cluster::add_link(std::vector<place> places, std::optional<auth::node_id> id) {
  link_owner& self = *this;  // a private base: only here may it be seen
  links_.push_back(std::make_unique<link>(executor_, link_context_, self, std::move(places), id));
  link& added = *links_.back();
  tasks_.spawn("link " + added.address(), added.run());
  return added;
}

// A node that was started again has a new id; where its old self was reached, the same link goes on with the new one.
link* cluster::found_link(const discovery::found_node& node, const std::vector<place>& places) {
  for (const auto& l : links_) {
    if (!l->is_static() && l->id() == node.id) return l.get();
  }
  for (const auto& l : links_) {
    if (l->is_static() || l->is_ready()) continue;
    if (std::any_of(places.begin(), places.end(), [&](const place& p) { return l->has_place(p); })) {
      l->adopt(node.id);
      return l.get();
    }
  }
  return nullptr;
}

void cluster::forget_retired_links() {
  std::erase_if(links_, [](const auto& l) { return l->has_ended(); });
}

void cluster::on_found(const discovery::change& c) {
  if (is_closing_) return;
  std::vector<place> places;
  for (const auto& e : c.node.endpoints) {
    const auto tcp = discovery::to_tcp(e);
    places.push_back({tcp.address().to_string(), std::to_string(tcp.port())});
  }
  if (c.kind == discovery::change_kind::expired || c.kind == discovery::change_kind::draining) {
    // Only a hint: an established connection decides for itself.
    const bool is_gone = c.kind == discovery::change_kind::expired;
    for (const auto& l : links_) {
      if (l->is_static() || l->id() != c.node.id) continue;
      // Kept if it did anything: its numbers are part of what nodes() tells.
      is_gone && !l->is_ready() && l->jobs_done == 0 ? l->retire() : l->rest();
    }
    forget_retired_links();
    return;
  }
  if (!choice_.uses_found(identity_of(c.node, places))) {
    left_out_.insert(c.node.name);
    return;
  }
  link* const known = found_link(c.node, places);
  link& l = known != nullptr ? *known : add_link(places, c.node.id);
  l.found_name = c.node.name;
  l.found_slots = c.node.slots;
  l.found_free = c.node.free;
  l.is_same_host = c.node.same_host;
  l.set_places(std::move(places));
  l.unrest();  // also while it is connected: it must dial again should that end
  if (known != nullptr && !l.is_ready() && l.state() != link_state::duplicate) l.nudge();
}

time_point cluster::may_dial_at(link& from) {
  if (!browser_ || from.is_static() || !from.id()) return now();
  return browser_->nodes().next_dial(*from.id(), now());
}

bool cluster::may_dial(link& from) {
  return !browser_ || from.is_static() || !from.id() || browser_->nodes().may_dial(*from.id(), now());
}

void cluster::on_dial_ended(const auth::node_id& dialled) {
  if (browser_) browser_->nodes().on_dial_ended(dialled);
}

bool cluster::on_link_ready(link& from) {
  for (const auto& other : links_) {
    if (other.get() != &from && other->is_ready() && other->id() == from.id()) return false;
  }
  refuse_excluded(from);
  const auto& w = from.welcome();
  from.kept_name = records_.keep_name(from.name());
  from.node = scheduler_.on_node_ready(w.slots);
  weigh(from.node, choice_.weight_of(identity_of(from)));
  tell_fulfilled(from.node, identity_of(from));
  scheduler_.on_credit(from.node, static_cast<std::int32_t>(std::min<std::uint32_t>(w.credit, 1U << 20U)));
  link_of_node_.resize(from.node + 1);
  link_of_node_[from.node] = &from;
  remember_standing(from);
  count_slots();
  contents_.add(from.node, from.as_holder(), from.takes_part_in_peer_transfer());
  from.unfit_reason.clear();
  for (std::uint32_t i = 0; i < images_seen_; ++i) check_fit(from, i);
  keep_told_from(from.node, to_hex(from.id().value_or(auth::node_id{})));
  if (offered_) from.send_offer(*offered_);
  log::info("node_ready", {{"node", from.name()}, {"address", from.address()}, {"slots", w.slots}});
  if (is_local_decided_) reconsider_local();
  decide_soon();
  return true;
}

void cluster::on_link_lost(link& from) {
  if (from.node == scheduler::none) return;
  const auto before = scheduler_.numbers().rescheduled;
  note_lost_jobs(from);
  std::vector<std::uint32_t> unknown;
  const auto had = scheduler_.jobs_on(from.node);
  scheduler_.on_node_lost(from.node, unknown);
  for (const auto slot : had) record_of(slot)->is_sent.store(scheduler_.is_in_flight(slot), std::memory_order_relaxed);
  lose_leases_of(from, from.node);
  for (const auto slot : unknown) fail_unknown(slot, from.name(), from.reason());
  from.jobs_rescheduled += scheduler_.numbers().rescheduled - before;
  link_of_node_[from.node] = nullptr;
  contents_.remove(from.node);
  on_contents_changed();
  from.node = scheduler::none;
  count_slots();
  if (is_local_decided_ && !is_closing_) reconsider_local();
  for (const auto& other : links_) {
    if (other->state() == link_state::duplicate && other->id() == from.id()) other->nudge();
  }
  // A node that announced itself lately may be back at once; one that was silent is asked for.
  if (browser_ && !is_closing_) browser_->ask_now();
  decide_soon();
}

void cluster::on_contents_changed() {
  for (const auto& l : links_) l->reconsider();
}

void cluster::on_link_paused(link& from, bool paused) {
  const bool is_silent = from.state() == link_state::suspect;
  scheduler_.set_paused(from.node, paused, is_silent);
  if (is_silent) decide_soon();  // copies of what may run twice
  if (!paused) decide_soon();
}

void cluster::on_link_leaving(link& from) {
  scheduler_.on_node_leaving(from.node);
  count_slots();
  if (is_local_decided_) reconsider_local();
  decide_soon();
}

void cluster::on_link_credit(link& from, std::int32_t change) {
  scheduler_.on_credit(from.node, std::clamp(change, -(1 << 20), 1 << 20));
  decide_soon();
}

void cluster::on_link_unfit(link& from, std::uint32_t image, const std::string& reason) {
  if (image >= images_seen_ || from.node == scheduler::none) return;
  scheduler_.on_unfit(from.node, image);
  if (images_[image].is_told()) refused_told_.insert({from.node, image});
  contents_.on_unfit(from.node);
  on_contents_changed();
  from.unfit_reason = reason;
  log::warn("node_left_out", {{"node", from.name()}, {"address", from.address()}, {"reason", reason}});
  decide_soon();
}

// Before anything is sent: a node that cannot run the image must not get it.
void cluster::check_fit(link& l, std::uint32_t image) {
  const auto& w = l.welcome();
  const code::platform node{w.machine, w.isa_level, w.os, w.glibc, w.glibcxx, w.cxxabi};
  if (const auto why = code::why_unfit(images_[image].contents().asks, node)) on_link_unfit(l, image, *why);
}

// --- local workers ---------------------------------------------------------------------------------------------------

bool cluster::same_host_node_is(bool ready_only) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& l) {
    if (l->state() == link_state::draining) return false;
    return l->is_same_host && (l->is_ready() || (!ready_only && (l->state() == link_state::found ||
                                                                 l->state() == link_state::connecting)));
  });
}

net::awaitable<void> cluster::decide_local() {
  if (wanted_local_.is_automatic() && browser_) {
    const auto first = now() + local_grace;
    const auto last = now() + local_grace_if_seen;
    while (!same_host_node_is(true) && now() < (same_host_node_is(false) ? last : first)) {
      co_await net::sleep_for(std::chrono::milliseconds(5));
    }
  }
  is_local_decided_ = true;
  reconsider_local();
  decide_soon();
}

void cluster::reconsider_local() {
  const bool is_automatic = wanted_local_.is_automatic();
  const unsigned wanted = !is_automatic             ? static_cast<unsigned>(wanted_local_.count)
                          : same_host_node_is(true) ? 0
                                                    : effective_cpus();
  if (local_ && local_->slots() != wanted) {
    local_->set_slots(wanted);
    scheduler_.set_slots(local_node_, wanted);
    if (const auto change = local_->correction(); change != 0) on_local_credit(change);
  }
  if (!local_ && wanted > 0) start_local(wanted);
  count_slots();
}

bool cluster::set_local_workers(pp::local_workers count) {
  if (is_closing_) return false;
  wanted_local_ = count;
  is_local_decided_ = true;
  reconsider_local();
  decide_soon();
  return true;
}

void cluster::start_local(unsigned slots) {
  local_owner& self = *this;
  worker::pool_options o;
  o.slots = slots;
  o.spin = options_.spin;
  o.memory_limit = worker::usual_memory_limit(o.slots);
  o.road = road_;
  o.resources = local_identity().resources;
  // They are this program again: what it may not touch it could not be kept from, and its files are where it writes.
  o.launch.level = worker::isolation_level::none;
  local_ = std::make_unique<local>(executor_, self, o);
  local_node_ = scheduler_.on_node_ready(slots);
  link_of_node_.resize(local_node_ + 1);
  scheduler_.set_resources(local_node_, o.resources);
  keep_told_from(local_node_, "local");
  tell_fulfilled(local_node_, local_identity());
  scheduler_.on_credit(local_node_, static_cast<std::int32_t>(local_->initial_credit()));
}

void cluster::on_local_credit(std::int32_t change) {
  scheduler_.on_credit(local_node_, change);
  decide_soon();
}

void cluster::on_local_unfit(std::uint32_t image, const std::string& reason) {
  scheduler_.on_unfit(local_node_, image);
  local_unfit_ = reason;
  local_unfit_since_ = now();
  log::warn("node_left_out", {{"node", "local"}, {"reason", reason}});
  decide_soon();
}

void cluster::on_local_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) {
  on_any_result(local_node_, job, attempt, payload.view, payload.owned, local_done_);
  decide_soon();
}

void cluster::on_local_returned(std::uint64_t job, unsigned credit) {
  if (auto* const record = known_record(job)) {
    scheduler_.on_result(record->slot, local_node_, 0, scheduler::outcome::not_started, credit);
    record->is_sent.store(scheduler_.is_in_flight(record->slot), std::memory_order_relaxed);
  } else {
    scheduler_.on_stray_result(local_node_, credit);
  }
}

// What kept workers from starting may have been a bad moment of this machine.
void cluster::retry_local() {
  if (local_unfit_.empty() || now() - local_unfit_since_ < local_retry) return;
  local_unfit_.clear();
  scheduler_.forget_unfit(local_node_);
  keep_told_from(local_node_, "local");
  decide();
}

// --- the end ---------------------------------------------------------------------------------------------------------

net::awaitable<void> cluster::close() {
  if (is_closed_) co_return;
  is_closing_ = is_closed_ = true;
  on_submitted();
  const auto limit = now() + std::chrono::seconds(2);
  for (std::size_t i = 0; i < links_.size(); ++i) co_await links_[i]->say_goodbye(limit);
  if (browser_) co_await browser_->close();
  co_await tasks_.close();
  if (local_) co_await local_->close();
  for (std::uint32_t slot = 0; slot < generation_.size(); ++slot) {
    if (generation_[slot] != 0) fail(slot, errc::closed, "the client was closed before the job was done", true);
  }
  records_.wake_waiters();
}

}  // namespace pp::ppclient
