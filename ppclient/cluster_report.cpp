// What the cluster tells: its nodes, its numbers, and why nothing runs.
#include "ppclient/cluster.hpp"

#include <algorithm>

#include "net/deadline.hpp"

namespace pp::ppclient {

// --- nothing to run on -----------------------------------------------------------------------------------------------

net::awaitable<void> cluster::watch() {
  const duration limit = options_.no_nodes_timeout;
  const duration step =
      limit.count() > 0 ? std::clamp<duration>(limit / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(500))
                        : duration(std::chrono::milliseconds(500));
  for (;;) {
    co_await net::sleep_for(step);
    if (limit.count() > 0 && is_local_decided_) fail_starved(now());
    retry_local();
    end_quarantines();
    forget_retired_links();
  }
}

void cluster::fail_starved(time_point at) {
  for (scheduler::class_index kind = 0; kind < scheduler_.classes(); ++kind) {
    if (!scheduler_.has_queued(kind) || scheduler_.has_node_for(kind)) {
      starving_since_.erase(kind);
      continue;
    }
    const auto since = starving_since_.emplace(kind, at).first->second;
    if (at - since < options_.no_nodes_timeout) continue;
    std::string text;
    const errc code = why_nothing_runs(kind, text);
    std::size_t told = 0;
    for (const auto slot : scheduler_.queued_jobs(kind)) fail(slot, code, text, ++told > 1000);
    starving_since_.erase(kind);
  }
  records_.wake_waiters();
}

// Nodes there may be, but none that the job would go to.
bool cluster::is_placed_nowhere(const placement& asked) const {
  if (local_ && local_->slots() > 0 && admits(asked, local_identity())) return false;
  return std::none_of(links_.begin(), links_.end(),
                      [&](const auto& l) { return l->is_ready() && admits(asked, identity_of(*l)); });
}

std::string cluster::known_nodes() const {
  std::string out;
  for (const auto& n : nodes()) {
    out += (out.empty() ? "" : ", ") + n.name;
    if (!n.address.empty()) out += " (" + n.address + ", " + n.state + ", isolation " + text_of(n.isolation) + ")";
  }
  return out.empty() ? "none" : out;
}

errc cluster::why_nothing_runs(scheduler::class_index kind, std::string& text) const {
  const auto constraint = scheduler_.kind_of(kind).constraint;
  if (constraint != scheduler::none && is_placed_nowhere(*placements_[constraint])) {
    text = "no node matches " + placements_[constraint]->text() + "; known: " + known_nodes();
    return errc::no_nodes;
  }
  if (images_[scheduler_.kind_of(kind).image].is_told()) {
    text = "no node has the program of this function any more: see 'ppclient functions'";
    return errc::unfit_node;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::milliseconds>(options_.no_nodes_timeout).count();
  text = "nothing to run on after " + std::to_string(seconds) + " ms";
  bool is_unfit = !local_unfit_.empty();
  bool is_refused = false;
  std::string details;
  if (!local_unfit_.empty()) details += "\n  local: " + local_unfit_;
  for (const auto& l : links_) {
    const std::string why = !l->unfit_reason.empty() ? l->unfit_reason : l->reason();
    is_unfit = is_unfit || (l->is_ready() && !l->unfit_reason.empty());
    is_refused = is_refused || l->state() == link_state::refused;
    details += "\n  " + l->name() + " (" + l->address() + "): " + (why.empty() ? text_of(l->state()) : why);
  }
  text += details + left_out_text() + "\n" + discovery().text();
  if (is_unfit) return errc::unfit_node;
  return is_refused ? errc::refused : errc::no_nodes;
}

// --- answers ---------------------------------------------------------------------------------------------------------

node_info cluster::describe(const link& l) const {
  node_info n;
  const auto& w = l.welcome();
  n.name = l.name();
  if (l.id()) n.id = to_hex(*l.id());
  n.address = l.address();
  n.state = l.is_ready() && !l.unfit_reason.empty() ? "unfit" : text_of(l.state());
  n.reason = !l.unfit_reason.empty() ? l.unfit_reason : l.reason();
  n.isolation = identity_of(l).isolation;
  for (const auto& r : l.resources) n.resources[r.name] = r.count;
  n.version = w.version;
  if (!w.os.empty()) n.platform = w.os + ", glibc " + w.glibc;
  n.slots = l.is_ready() ? w.slots : l.found_slots;
  n.free = l.found_free;
  // What it announced last; a node that was given by address need not be heard.
  if (const auto* const heard = browser_ && l.id() ? browser_->nodes().find(*l.id()) : nullptr) {
    n.free = heard->free;
    n.load = heard->load_milli / 1000.0;
  }
  n.in_flight = l.node != scheduler::none ? static_cast<unsigned>(scheduler_.in_flight(l.node)) : 0;
  n.jobs_done = l.jobs_done;
  n.run_time = std::chrono::microseconds(l.run_us);
  n.jobs_rescheduled = l.jobs_rescheduled;
  n.code_bytes_sent = l.code_bytes_sent();
  n.shared_bytes_sent = l.shared_bytes_sent();
  n.bytes_sent = l.bytes_sent();
  n.bytes_received = l.bytes_received();
  describe_health(n, l.node);
  return n;
}

std::vector<node_info> cluster::nodes() const {
  std::vector<node_info> out;
  if (local_) {
    const auto counted = local_->counters();
    node_info n;
    n.name = "local";
    n.state = local_unfit_.empty() ? "ready" : "unfit";
    n.reason = local_unfit_;
    n.version = PP_VERSION;
    n.resources = options_.resources;
    n.platform = code::this_platform().os + ", glibc " + code::this_platform().glibc;
    n.slots = local_->slots();
    n.free = n.slots - std::min(n.slots, counted.running);
    if (double load = 0; getloadavg(&load, 1) == 1) n.load = load;
    n.in_flight = static_cast<unsigned>(scheduler_.in_flight(local_node_));
    n.jobs_done = local_done_;
    n.run_time = std::chrono::microseconds(local_run_us_);
    describe_health(n, local_node_);
    if (n.slots > 0 || n.jobs_done > 0) out.push_back(std::move(n));
  }
  for (const auto& l : links_) {
    if (l->state() != link_state::duplicate) out.push_back(describe(*l));
  }
  return out;
}

client_stats cluster::stats() const {
  const auto& n = scheduler_.numbers();
  client_stats out;
  out.submitted = n.submitted;
  out.done = done_;
  out.failed = failed_;
  out.queued = scheduler_.queued() + scheduler_.held();
  out.waiting = scheduler_.held();
  out.in_flight = scheduler_.in_flight();
  out.rescheduled = n.rescheduled;
  out.retried = n.retried;
  out.stale_results = n.stale;
  out.copied = n.copied;
  for (const auto& l : links_) out.code_bytes_sent += l->code_bytes_sent();
  out.callback_errors = records_.callbacks()->errors();
  out.elapsed = std::chrono::duration_cast<std::chrono::microseconds>(now() - began_);
  out.nodes = nodes();
  return out;
}

discovery_report cluster::discovery() const {
  discovery_report out;
  out.keyring = keys_.keys.empty() ? keys_.why_none : keys_.origin;
  if (!keys_.keys.empty()) out.key_id = keys_.keys.proving().id_text();
  out.port = options_.discovery_port;
  if (!browser_) return out;
  out.enabled = true;
  const auto seen = browser_->what_happened();
  for (const auto& i : seen.interfaces) out.interfaces.push_back(i.text);
  out.datagrams = seen.received;
  out.other_key = seen.other_key;
  out.rejected = seen.rejected();
  out.remarks = seen.remarks();
  return out;
}

pending_search cluster::watch_pending(pending_search search, const std::shared_ptr<detail::watcher>& who) {
  constexpr std::uint32_t most_seen = 1U << 16U;
  if (!is_closed_) on_submitted();  // those too that were submitted just now
  const auto all = static_cast<std::uint32_t>(generation_.size());
  const std::uint32_t end = search.next_slot + std::min(most_seen, all - search.next_slot);
  search.found = 0;
  search.submitted = scheduler_.numbers().submitted;
  for (; search.next_slot < end && search.found < pending_search::most_watched; ++search.next_slot) {
    if (generation_[search.next_slot] == 0) continue;
    detail::job_record& record = *record_of(search.next_slot);
    if (search.group && (record.how() == nullptr || record.how()->group != *search.group)) continue;
    records_.watch(record, who, 0);
    ++search.found;
  }
  search.is_at_end = search.next_slot >= all;
  return search;
}

std::size_t cluster::ready_nodes() const {
  const auto ready =
      std::count_if(links_.begin(), links_.end(), [](const auto& l) { return l->state() == link_state::ready; });
  return static_cast<std::size_t>(ready) + (local_ && local_->slots() > 0 ? 1 : 0);
}

std::vector<std::pair<std::string, std::string>> cluster::ready_places(const placement& asked) const {
  std::vector<std::pair<std::string, std::string>> out;
  if (local_ && local_->slots() > 0 && local_unfit_.empty() && admits(asked, local_identity()))
    out.emplace_back("local", "local");
  for (const auto& l : links_) {
    if (l->state() == link_state::ready && l->unfit_reason.empty() && admits(asked, identity_of(*l)))
      out.emplace_back(l->name(), l->id() ? to_hex(*l->id()) : l->address());
  }
  return out;
}

link* cluster::find_link(const std::string& node) {
  const auto found = std::find_if(links_.begin(), links_.end(), [&](const auto& l) {
    return l->is_ready() && (l->name() == node || l->address() == node || (l->id() && to_hex(*l->id()) == node));
  });
  return found != links_.end() ? found->get() : nullptr;
}

bool cluster::ping(const std::string& node, std::function<void(duration)> done) {
  link* const to = find_link(node);
  if (to != nullptr) to->ping(std::move(done));
  return to != nullptr;
}

bool cluster::query_stats(const std::string& node, std::function<void(std::string)> done) {
  link* const to = find_link(node);
  if (to != nullptr) to->query_stats(std::move(done));
  return to != nullptr;
}

bool cluster::drain(const std::string& node, std::chrono::milliseconds limit, std::function<void(std::string)> done) {
  link* const to = find_link(node);
  if (to != nullptr) to->drain(limit, std::move(done));
  return to != nullptr;
}

}  // namespace pp::ppclient
