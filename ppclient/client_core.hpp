// What a pp::client is made of: the I/O thread with its cluster, and the records between it and the callers' threads.
//
// The only place where two threads meet: user calls in, completions out (both through record_pool and its lock).
// Threads: any, unless a member says otherwise.
#pragma once

#include <future>
#include <thread>

#include <pthread.h>

#include "base/blocked_signals.hpp"
#include "net/loop.hpp"
#include "ppclient/cluster.hpp"
#include "ppclient/initialiser.hpp"
#include "ppclient/job_terms.hpp"
#include "ppclient/journal.hpp"
#include "ppclient/settings.hpp"

namespace pp::detail {

/// Those that `o` names, or why there are none.
ppclient::client_keys find_keys(const options& o);
// The clock's range ends before that of milliseconds.
inline time_point end_of(std::chrono::milliseconds limit) {
  return now() + std::min<std::chrono::milliseconds>(limit, std::chrono::hours(24 * 365 * 100));
}

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
    records_->assemblers()->finish();  // they look into the journal
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

// Asks a node something and waits for the answer; `send` starts it on the I/O thread and says whether the node is known.
template <class Answer, class Send>
Answer ask_node(client_core& core, const std::string& node, std::chrono::milliseconds limit, Send send) {
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

}  // namespace pp::detail
