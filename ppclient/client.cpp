#include "pp/client.hpp"

#include <thread>

#include "pp/init.hpp"
#include "ppclient/client_core.hpp"
#include "ppclient/client_wait.hpp"
#include "ppclient/job_terms.hpp"
#include "ppclient/job_values.hpp"

namespace pp {
namespace {

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out.empty() ? "none" : out;
}

}  // namespace

namespace detail {

ppclient::client_keys find_keys(const options& o) {
  ppclient::client_keys out;
  auth::key_source from;
  if (!o.secret_file.empty()) from.file = o.secret_file;
  from.absent_is_empty = true;  // without a key there still are local workers
  auto loaded = auth::load_keyring(from);
  if (loaded.keys.empty()) {
    out.why_none = "no keyring: start ppserver once on this machine, or bring a key with 'ppserver key import'";
    return out;
  }
  out.keys = std::move(loaded.keys);
  out.origin = loaded.origin;
  return out;
}

ppclient::pending_search watch_pending(client_core& core, ppclient::pending_search search,
                                       const std::shared_ptr<watcher>& who) {
  return core.ask([&](ppclient::cluster& c) { return c.watch_pending(search, who); });
}
record_pool& records_of(client_core& core) { return *core.records(); }

unsigned count_slots(const client_core& core) noexcept { return core.slots(); }
bool has_journal(client_core& core) noexcept { return core.journal() != nullptr; }

namespace {

void take_from_journal(job_record& record, ppclient::journal_entry&& kept) {
  record.forget_arguments();
  record.code = 0;
  record.run_us = 0;
  record.data.assign(kept.value.data(), kept.value.size());
  if (kept.out.empty() && kept.err.empty()) return;
  record.more().out = std::move(kept.out);
  record.more().err = std::move(kept.err);
}

}  // namespace

job_draft::job_draft(client_core& core) : core_(core), record_(core.records()->take_draft()) {}

job_draft::~job_draft() {
  if (record_ != nullptr) core_.records()->give_back(record_);
}

payload& job_draft::arguments() noexcept { return record_->data; }

job_handle job_draft::submit(const call_code& code, const job_options& how) {
  if (auto terms = ppclient::make_terms(how, core_.settings().job)) record_->more().how = std::move(terms);
  wait_for(how.after);
  return hand_over(code);
}

job_handle job_draft::submit(const call_code& code) {
  if (const auto& terms = core_.usual_terms()) record_->more().how = terms;
  return hand_over(code);
}

job_handle job_draft::submit_at(const call_code& code, const job_options& how, job_place place) {
  if (!how.after.empty()) throw error(errc::bad_option, "job_options.after is for client::submit alone");
  record_->more().how = ppclient::make_terms(how, core_.settings().job, std::move(place));
  return hand_over(code);
}

job_handle job_draft::submit_opening(const call_code& code, const job_options& how,
                                     const std::shared_ptr<checkout_state>& worker) {
  return submit_at(code, how, {wire::place_use::opens, worker->name, worker});
}

job_handle job_draft::submit_inside(const call_code& code, const job_options& how,
                                    const std::shared_ptr<checkout_state>& worker) {
  return submit_at(code, how, {wire::place_use::inside, worker->name, worker});
}

job_handle job_draft::submit_one_each(const call_code& code, const job_options& how, std::uint64_t round) {
  return submit_at(code, how, {wire::place_use::one_each, round});
}

std::shared_ptr<checkout_state> new_checkout(client_core& core) {
  return std::make_shared<checkout_state>(core.next_name());
}
std::uint64_t new_round(client_core& core) { return core.next_name(); }
bool is_open(const checkout_state& worker) noexcept { return worker.is_open.load(); }

void check_in(client_core& core, std::shared_ptr<checkout_state> worker) noexcept {
  worker->is_open = false;
  core.tell([worker = std::move(worker)](ppclient::cluster& c) { c.check_in(worker); });
}

void throw_not_checked_out() {
  throw error(errc::closed, "this worker was checked in: check one out again to submit to it");
}

void throw_none_free(client_core& core, std::chrono::milliseconds limit) {
  unsigned slots = 0;
  for (const auto& n : core.ask([](ppclient::cluster& c) { return c.nodes(); }))
    slots += n.state == "ready" ? n.slots : 0;
  throw error(errc::overloaded, "checkout: none of " + std::to_string(slots) + " workers became free within " +
                                    std::to_string(limit.count()) +
                                    " ms: wait longer, check workers in sooner, or start more");
}

job_handle job_draft::hand_over(const call_code& code) {
  const auto where = core_.images().locate(code);
  record_->image = where.image;
  record_->decoder = where.decoder;
  record_->function = where.function;
  if (auto& init = core_.worker_init())
    record_->more().how = init.add_to(record_->more().how, where.image, core_.images());
  if (!shared_.empty()) ppclient::add_values(*record_, std::exchange(shared_, {}));
  if (waits_) return hand_over_waiting();
  const bool has_place = record_->how() != nullptr && record_->how()->place.use != wire::place_use::none;
  if (auto* const kept = core_.journal(); kept != nullptr && !has_place) {
    const byte_view arguments(record_->data.data(), record_->data.size());
    const auto key = kept->key_of(core_.images()[where.image].id(), where.decoder, where.function, arguments);
    if (auto found = kept->find(key)) {
      job_record* const record = std::exchange(record_, nullptr);
      take_from_journal(*record, std::move(*found));
      core_.records()->complete_draft(*record, core_.journal_name());
      return job_handle(core_.records(), record);
    }
    record_->more().journal_key = std::make_unique<const auth::digest>(key);
  }
  return send();
}

job_handle job_draft::send() {
  job_record* const record = std::exchange(record_, nullptr);
  core_.records()->submit(record);
  return job_handle(core_.records(), record);
}

}  // namespace detail

client::client(const options& o) {
  if (!detail::is_initialised()) {
    throw error(errc::not_initialised,
                "pp::init(argc, argv) must be the first call in main: without it nodes cannot run this program");
  }
  core_ = std::make_unique<detail::client_core>(o);
}

client::~client() = default;

void client::close() { core_->close(); }

bool client::wait_for_nodes(std::size_t count, std::chrono::milliseconds limit) {
  const auto end = detail::end_of(limit);
  for (;;) {
    if (core_->ask([](ppclient::cluster& c) { return c.ready_nodes(); }) >= count) return true;
    if (now() >= end) return false;
    std::this_thread::sleep_for(std::min<duration>(end - now(), std::chrono::milliseconds(5)));
  }
}

std::vector<node_info> client::nodes() const {
  return core_->ask([](ppclient::cluster& c) { return c.nodes(); });
}
client_stats client::stats() const {
  auto all = core_->ask([](ppclient::cluster& c) { return c.stats(); });
  if (const auto* const kept = core_->journal()) {
    all.from_journal = kept->hits();
    all.journal_errors = kept->errors();
  }
  return all;
}
discovery_report client::discovery() const {
  return core_->ask([](ppclient::cluster& c) { return c.discovery(); });
}

std::chrono::nanoseconds client::ping(const std::string& node, std::chrono::milliseconds limit) {
  return detail::ask_node<duration>(*core_, node, limit,
                                    [&](ppclient::cluster& c, auto done) { return c.ping(node, std::move(done)); });
}

std::string client::node_stats(const std::string& node, std::chrono::milliseconds limit) {
  return detail::ask_node<std::string>(
      *core_, node, limit, [&](ppclient::cluster& c, auto done) { return c.query_stats(node, std::move(done)); });
}

std::size_t client::cancel_group(const std::string& group) {
  return core_->ask([&](ppclient::cluster& c) { return c.cancel_group(group); });
}

void client::set_local_workers(pp::local_workers count) {
  ppclient::check_local_workers(count);
  const bool is_open = core_->ask([=](ppclient::cluster& c) { return c.set_local_workers(count); });
  if (!is_open) throw error(errc::closed, "set_local_workers: the client was closed");
}

unsigned client::local_workers() const {
  return core_->ask([](ppclient::cluster& c) { return c.local_workers(); });
}

std::vector<std::pair<std::string, std::string>> client::ready_places(const job_options& how) const {
  const auto terms = ppclient::make_terms(how, core_->settings().job);
  const auto asked = terms ? terms->where : ppclient::placement{};
  auto out = core_->ask([&](ppclient::cluster& c) { return c.ready_places(asked); });
  if (out.empty()) {
    throw error(errc::no_nodes, "broadcast: no node is ready" + (asked.is_anywhere() ? "" : " for " + asked.text()) +
                                    ": call wait_for_nodes() first, or see 'ppclient nodes'");
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> client::ready_workers(const job_options& how) const {
  ready_places(how);  // or its error
  const auto terms = ppclient::make_terms(how, core_->settings().job);
  const auto asked = terms ? terms->where : ppclient::placement{};
  return core_->ask([&](ppclient::cluster& c) { return c.ready_workers(asked); });
}

void client::drain(const std::string& node, std::chrono::milliseconds limit, std::chrono::milliseconds answer_limit) {
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 24);
  if (limit.count() < 0 || limit > longest)
    throw error(errc::bad_option, "the limit of a drain must be 0 (the node's own) or 1 ms to 24 days");
  if (core_->settings().role != role::admin)
    throw error(errc::refused, "only a client with options::role admin may drain nodes");
  const auto problem = detail::ask_node<std::string>(*core_, node, answer_limit, [&](ppclient::cluster& c, auto done) {
    return c.drain(node, limit, std::move(done));
  });
  if (!problem.empty()) throw error(errc::refused, "node '" + node + "' does not drain: " + problem);
}

std::string discovery_report::text() const {
  std::string out = "key: " + (key_id.empty() ? keyring : key_id + " from " + keyring);
  if (!enabled) return out + "\nnot looking for nodes by broadcast" + (key_id.empty() ? "" : " (discovery is off)");
  out += "\nasked on: " + joined(interfaces) + ", UDP port " + std::to_string(port);
  out += "\ndatagrams seen: " + std::to_string(datagrams) +
         ", of these with another key: " + std::to_string(other_key) + ", rejected: " + std::to_string(rejected);
  for (const auto& r : remarks) out += "\n" + r;
  return out;
}

}  // namespace pp
