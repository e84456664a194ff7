// The only place where two threads meet: user calls in, completions out (both through record_pool and its lock).
#include "pp/client.hpp"

#include <future>
#include <thread>

#include <pthread.h>

#include "base/blocked_signals.hpp"
#include "base/log.hpp"
#include "net/loop.hpp"
#include "pp/init.hpp"
#include "ppclient/client_wait.hpp"
#include "ppclient/cluster.hpp"
#include "ppclient/initialiser.hpp"
#include "ppclient/job_terms.hpp"
#include "ppclient/journal.hpp"
#include "ppclient/settings.hpp"

namespace pp {
namespace {

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

// The clock's range ends before that of milliseconds.
time_point end_of(std::chrono::milliseconds limit) {
  return now() + std::min<std::chrono::milliseconds>(limit, std::chrono::hours(24 * 365 * 100));
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out.empty() ? "none" : out;
}

}  // namespace

namespace detail {

class client_core final : net::poller {
 public:
  explicit client_core(const options& o)
      : settings_(ppclient::complete(o)),
        keys_(find_keys(settings_)),
        records_(std::make_shared<record_pool>(
            settings_.max_pending_bytes, settings_.spin, [this] { wake(); }, settings_.on_callback_error)),
        usual_terms_(ppclient::make_terms(settings_.job, {})),
        initialiser_(settings_.worker_init, usual_terms_),
        journal_(settings_.journal.empty() ? nullptr : std::make_unique<ppclient::journal>(settings_.journal)),
        journal_name_(records_->keep_name("journal")),
        cluster_(io_.get_executor(), settings_, keys_, *records_, images_, journal_.get()) {
    records_->echo_output = settings_.echo_output;
    net::poll_list::of(io_.get_executor()).add(*this);
    // From inside the loop, and first of all: a coroutine that was spawned from outside does not run until the loop comes to it,
    // and Asio 1.81 ends the program if it is cancelled before.
    net::post(io_, [this] { cluster_.start(); });
    const blocked_signals during_start;
    thread_ = std::thread([this] { run(); });
  }
  ~client_core() override {
    close();
    records_->callbacks()->finish();  // where a callback closed the client, its thread may still be at it
  }

  const std::shared_ptr<record_pool>& records() const { return records_; }
  ppclient::image_book& images() { return images_; }
  ppclient::initialiser& worker_init() { return initialiser_; }
  unsigned slots() const noexcept { return cluster_.slots(); }
  const options& settings() const { return settings_; }
  /// Null without options::journal.
  ppclient::journal* journal() { return journal_.get(); }
  const std::string* journal_name() const { return journal_name_; }
  /// Of jobs that say nothing themselves; null if that is as usual.
  const std::shared_ptr<const ppclient::job_terms>& usual_terms() const { return usual_terms_; }

  /// Runs `question` on the I/O thread and waits for its answer; after close() at once, on this thread.
  template <class Q>
  auto ask(Q question) -> decltype(question(std::declval<ppclient::cluster&>())) {
    using answer = decltype(question(cluster_));
    if (is_closed_.load()) return question(cluster_);
    auto promise = std::make_shared<std::promise<answer>>();
    auto future = promise->get_future();
    net::post(io_, [this, promise, question] { promise->set_value(question(cluster_)); });
    // close() may have overtaken us on another thread; then nobody runs the handler, and nothing moves any more.
    while (future.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) {
      if (is_closed_.load()) return question(cluster_);
    }
    return future.get();
  }

  /// Runs `what` on the I/O thread, some time; not at all after close().
  template <class W>
  void tell(W what) {
    if (!is_closed_.load()) net::post(io_, [this, what = std::move(what)] { what(cluster_); });
  }
  /// For what is to be told apart on nodes, beside jobs.
  std::uint64_t next_name() { return ++last_name_; }

  void close() {
    if (is_closing_.exchange(true)) return;
    records_->close();
    net::post(io_, [this] { closing_.spawn("close", close_all()); });
    thread_.join();
    if (journal_) journal_->close();
    is_closed_ = true;
    records_->callbacks()->finish();
  }

 private:
  void run() {
    pthread_setname_np(pthread_self(), "pp-io");
    auto work = net::asio::make_work_guard(io_);
    stop_ = [&work] { work.reset(); };
    net::run(io_, settings_.spin);
  }
  /// The loop wakes and looks at the queue by itself.
  void wake() {
    net::post(io_, [] {});
  }
  bool poll() override {
    if (!records_->has_submitted()) return false;
    cluster_.on_submitted();
    return true;
  }
  bool arm() override { return records_->arm(); }
  void disarm() override { records_->disarm(); }

  net::awaitable<void> close_all() {
    co_await cluster_.close();
    stop_();
  }

  const options settings_;
  const ppclient::client_keys keys_;
  net::io_context io_{1};
  std::shared_ptr<record_pool> records_;
  ppclient::image_book images_;
  const std::shared_ptr<const ppclient::job_terms> usual_terms_;
  ppclient::initialiser initialiser_;
  const std::unique_ptr<ppclient::journal> journal_;
  const std::string* const journal_name_;
  ppclient::cluster cluster_;
  net::task_group closing_{io_.get_executor()};
  std::function<void()> stop_;
  std::atomic<bool> is_closing_{false}, is_closed_{false};
  std::atomic<std::uint64_t> last_name_{0};
  std::thread thread_;
};

ppclient::pending_search watch_pending(client_core& core, ppclient::pending_search search,
                                       const std::shared_ptr<watcher>& who) {
  return core.ask([&](ppclient::cluster& c) { return c.watch_pending(search, who); });
}
record_pool& records_of(client_core& core) { return *core.records(); }

unsigned count_slots(const client_core& core) noexcept { return core.slots(); }
bool has_journal(client_core& core) noexcept { return core.journal() != nullptr; }

namespace {

void take_from_journal(job_record& record, ppclient::journal_entry&& kept) {
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
  return hand_over(code);
}

job_handle job_draft::submit(const call_code& code) {
  if (const auto& terms = core_.usual_terms()) record_->more().how = terms;
  return hand_over(code);
}

job_handle job_draft::submit_at(const call_code& code, const job_options& how, job_place place) {
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
  const auto end = end_of(limit);
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

namespace {

// Asks a node something and waits for the answer; `send` starts it on the I/O thread and says whether the node is known.
template <class Answer, class Send>
Answer ask_node(detail::client_core& core, const std::string& node, std::chrono::milliseconds limit, Send send) {
  const auto end = end_of(limit);
  auto answer = std::make_shared<std::promise<Answer>>();
  auto future = answer->get_future();
  while (!core.ask(
      [&](ppclient::cluster& c) { return send(c, [answer](Answer a) { answer->set_value(std::move(a)); }); })) {
    if (now() >= end) throw error(errc::no_nodes, "no node '" + node + "' is connected: see 'ppclient nodes'");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (future.wait_until(end) != std::future_status::ready) {
    throw error(errc::no_nodes, "node '" + node + "' did not answer within " + std::to_string(limit.count()) + " ms");
  }
  return future.get();
}

}  // namespace

std::chrono::nanoseconds client::ping(const std::string& node, std::chrono::milliseconds limit) {
  return ask_node<duration>(*core_, node, limit,
                            [&](ppclient::cluster& c, auto done) { return c.ping(node, std::move(done)); });
}

std::string client::node_stats(const std::string& node, std::chrono::milliseconds limit) {
  return ask_node<std::string>(*core_, node, limit,
                               [&](ppclient::cluster& c, auto done) { return c.query_stats(node, std::move(done)); });
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
  const auto problem = ask_node<std::string>(*core_, node, answer_limit, [&](ppclient::cluster& c, auto done) {
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
