// The I/O thread's half of a client: feeds the scheduler, carries out its decisions over links and local workers, and
// completes records.
//
// Promises: every record handed in is completed exactly once; a job that cannot run anywhere fails with words that say why.
// Owner: client_core. Threads: the I/O thread only, but for the constructor. Must not know: types of arguments and results.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "auth/keyring.hpp"
#include "discovery/browser.hpp"
#include "net/task_group.hpp"
#include "pp/client.hpp"
#include "ppclient/client_wait.hpp"
#include "ppclient/image_book.hpp"
#include "ppclient/journal.hpp"
#include "ppclient/link.hpp"
#include "ppclient/local.hpp"
#include "ppclient/node_choice.hpp"
#include "ppclient/post_mortem.hpp"
#include "ppclient/quarantine.hpp"
#include "ppclient/record.hpp"
#include "ppclient/run_times.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::ppclient {

/// The keyring, or why there is none.
struct client_keys {
  auth::keyring keys;
  std::string origin;
  std::string why_none;
};

class cluster final : private link_owner, private local_owner {
 public:
  /// Everything named must outlive this; `kept` may be null. Throws pp::error(errc::bad_option).
  cluster(net::executor ex, const options& o, const client_keys& keys, detail::record_pool& records, image_book& images,
          journal* kept);
  ~cluster() override;

  void start();
  /// Takes what was submitted and sends what can be sent.
  void on_submitted();
  /// Fails what is not done with errc::closed, says goodbye, ends workers and links. Await it before destruction.
  net::awaitable<void> close();

  std::vector<node_info> nodes() const;
  client_stats stats() const;
  discovery_report discovery() const;
  std::size_t ready_nodes() const;
  /// Jobs that can run at once, about. Any thread.
  unsigned slots() const noexcept { return slots_.load(std::memory_order_relaxed); }
  /// False if no ready node has that name, id or address.
  bool ping(const std::string& node, std::function<void(duration)> done);
  bool query_stats(const std::string& node, std::function<void(std::string)> done);
  bool query_functions(const std::string& node, std::function<void(std::string)> done);
  /// Tells all nodes, and those that come.
  void offer(wire::offer what);
  /// An image that is not this program: these nodes, by id, have it.
  void note_holders(std::uint32_t image, const std::set<std::string>& nodes);
  /// `done` gets an empty text when the node has agreed, else why not.
  bool drain(const std::string& node, std::chrono::milliseconds limit, std::function<void(std::string)> done);
  /// How many jobs that was.
  std::size_t cancel_group(const std::string& group);
  /// Has the next jobs that are meant and not done watched, a few thousand at most.
  pending_search watch_pending(pending_search search, const std::shared_ptr<detail::watcher>& who);
  /// False once closed.
  bool set_local_workers(pp::local_workers count);
  unsigned local_workers() const { return local_ ? local_->slots() : 0; }
  /// Nodes that can take such a job now: their names, and what finds each.
  std::vector<std::pair<std::string, std::string>> ready_places(const placement& asked) const;
  /// The same with each place once for each of its workers that is not checked out.
  std::vector<std::pair<std::string, std::string>> ready_workers(const placement& asked);
  /// Gives the worker back when the jobs for it that are submitted now are done.
  void check_in(const std::shared_ptr<detail::checkout_state>& worker);

 private:
  // links
  bool on_link_ready(link& from) override;
  void on_link_lost(link& from) override;
  void on_link_paused(link& from, bool paused) override;
  void on_link_leaving(link& from) override;
  void on_link_credit(link& from, std::int32_t change) override;
  void on_link_result(link& from, const net::message& result) override;
  void on_link_unfit(link& from, std::uint32_t image, const std::string& reason) override;
  void on_link_lent(link& from, unsigned workers) override;
  void on_link_lease_over(link& from, std::uint64_t name, const std::string& why) override;
  void on_link_resources(link& from) override;
  void on_link_batch_end() override;
  void on_link_lacks(link& from, std::uint32_t image) override;
  void on_contents_changed() override;
  const code::image& image(std::uint32_t index) override { return images_[index]; }
  time_point may_dial_at(link& from) override;
  bool may_dial(link& from) override;
  void on_dial_ended(const auth::node_id& dialled) override;
  // local workers
  void on_local_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) override;
  void on_local_unfit(std::uint32_t image, const std::string& reason) override;
  void on_local_returned(std::uint64_t job, unsigned credit) override;
  void on_local_credit(std::int32_t change) override;
  void on_local_lent(unsigned workers) override;
  void on_local_lease_over(std::uint64_t name, const std::string& why) override;
  // discovery
  void on_found(const discovery::change& c);
  link& add_link(std::vector<place> places, std::optional<auth::node_id> id);
  link* found_link(const discovery::found_node& node, const std::vector<place>& places);

  node_identity identity_of(const discovery::found_node& node, const std::vector<place>& places) const;
  void refuse_excluded(link& from) const;
  void weigh(std::uint32_t node, unsigned sixteenths);
  std::string left_out_text() const;

  net::awaitable<void> watch();
  net::awaitable<void> decide_local();
  void reconsider_local();
  void start_local(unsigned slots);
  bool same_host_node_is(bool ready_only) const;
  void check_fit(link& l, std::uint32_t image);
  void check_fits(std::uint32_t image);
  void keep_told_from(std::uint32_t node, const std::string& id);

  void adopt(detail::job_record& record);
  void enqueue(const detail::job_record& record);
  // jobs that wait for others
  void release_held();
  void release(detail::job_record& record);
  bool is_journalled(const detail::job_record& record) const;
  void assemble(detail::job_record& record);
  void take_assembled(detail::assembled_job& made);
  void begin(detail::job_record& record, detail::payload&& arguments);
  void fail_held(detail::job_record& record, const std::string& text, detail::end_pointer why = nullptr);
  void take_kept(detail::job_record& record, journal_entry&& kept);
  scheduler::constraint_index constraint_of(const placement& asked);
  node_identity identity_of(const link& l) const;
  node_identity local_identity() const;
  void tell_fulfilled(std::uint32_t node, const node_identity& who);
  void cancel(detail::job_record& record, bool is_one_of_many = false);
  void tell_cancels();
  void note_values_refused(const detail::job_record& record, std::uint32_t node);
  void count_run(std::uint32_t node, std::uint32_t run_us);
  void decide();
  void decide_soon();
  void carry_out_all();
  void carry_out(const scheduler::action& a);
  void recall(const scheduler::action& a);
  void send_local(const detail::job_record& record, std::uint16_t attempt);
  void forget_retired_links();
  void count_slots() { slots_.store(static_cast<unsigned>(scheduler_.slots()), std::memory_order_relaxed); }
  void retry_local();
  void on_any_result(std::uint32_t node, std::uint64_t job, std::uint16_t attempt, byte_view payload,
                     const block& owned, std::uint64_t& jobs_done);
  void deliver(detail::job_record& record, const wire::result_parts& parts, byte_view payload, const block& owned,
               std::uint32_t node);
  void keep(const detail::job_record& record, byte_view value);
  void describe_failure(detail::job_record& record, const wire::failure& how, const std::string& node);
  void add_post_mortem(detail::job_record& record, std::uint32_t image, std::span<const code::location> stack);
  void note_place(detail::job_record& record, std::uint32_t node);
  void note_attempt(detail::job_record& record, std::uint32_t node, const wire::failure& how);
  void note_lost_jobs(const link& from);
  void note_end(detail::job_record& record);
  void fail_unknown(std::uint32_t slot, const std::string& node, const std::string& reason);
  // check-outs
  using checkout = std::shared_ptr<detail::checkout_state>;
  void enqueue_inside(const detail::job_record& record);
  void fail_lost(std::uint32_t slot, const detail::checkout_state& worker);
  void open_lease(const detail::job_record& record, std::uint32_t node);
  void lose_lease(const checkout& worker, errc why, const std::string& reason);
  void lose_lease_of(std::uint32_t node, std::uint64_t name, const std::string& why);
  void lose_leases_of(const link& from, std::uint32_t node);
  void give_back_if_done(const checkout& worker);
  void tell_check_in(std::uint32_t node, std::uint64_t name);
  // health
  void note_result(std::uint32_t node, scheduler::outcome what);
  void note_run_time(const detail::job_record& record, std::uint32_t node, std::uint32_t run_us);
  void note_success(const detail::job_record& record, std::uint32_t node, std::uint32_t run_us);
  void note_standing(std::uint32_t node);
  void end_quarantines();
  void watch_stragglers();
  net::awaitable<void> copy_stragglers();
  std::uint64_t lateness(std::uint32_t slot, std::uint32_t counted) const;
  void remember_standing(const link& from);
  static std::uint64_t kind_of(const detail::job_record& record);
  void describe_health(node_info& n, std::uint32_t node) const;
  const std::string* name_of_node(std::uint32_t node) const;
  std::string address_of_node(std::uint32_t node) const;
  std::uint32_t count_ms() const;
  std::int64_t wall_ms(std::uint32_t counted) const;
  void fail(std::uint32_t slot, errc code, const std::string& text, bool is_one_of_many = false);
  void finish(detail::job_record& record, const std::string* node);
  void fail_starved(time_point at);
  errc why_nothing_runs(scheduler::class_index kind, std::string& text) const;
  bool is_placed_nowhere(const placement& asked) const;
  std::string known_nodes() const;
  detail::job_record* record_of(std::uint32_t slot) const;
  detail::job_record* known_record(std::uint64_t job) const;
  link* find_link(const std::string& node);
  node_info describe(const link& l) const;

  net::executor executor_;
  const options& options_;
  const client_keys& keys_;
  detail::record_pool& records_;
  image_book& images_;
  journal* const journal_;
  net::task_group tasks_;
  net::tls_context tls_;
  sources contents_;
  link_context link_context_;
  post_mortem post_mortem_;
  scheduler scheduler_;
  const worker::road_kind road_;
  const node_choice choice_;
  std::set<std::string> left_out_;  ///< names of nodes that were found and are not used
  std::vector<std::unique_ptr<link>> links_;
  std::vector<link*> link_of_node_;  ///< by scheduler index; null for local and lost ones
  std::optional<discovery::selection> where_;
  std::unique_ptr<discovery::browser> browser_;

  pp::local_workers wanted_local_;
  std::unique_ptr<local> local_;
  std::uint32_t local_node_ = scheduler::none;
  const std::string* local_name_ = nullptr;
  std::uint64_t local_done_ = 0, local_run_us_ = 0;
  std::string local_unfit_;
  time_point local_unfit_since_{};
  bool is_local_decided_ = false;

  std::vector<detail::job_record*> slabs_;  ///< first record of each slab
  std::vector<std::uint32_t> generation_;   ///< by slot, 0 = not ours now
  std::vector<detail::job_record*> fresh_;
  std::vector<std::uint64_t> cancelled_, ready_;
  std::vector<detail::assembled_job> assembled_;
  std::vector<scheduler::action> actions_, cancels_;
  std::map<placement, scheduler::constraint_index> constraints_;
  std::vector<const placement*> placements_;  ///< by constraint
  std::map<scheduler::class_index, time_point> starving_since_;
  const time_point began_ = now();
  run_times run_times_;
  quarantine quarantine_;
  std::map<auth::node_id, std::uint32_t> index_of_id_;  ///< the last index of every node that was ready, ready or not
  std::vector<std::uint32_t>
      last_result_;  ///< by node, as count_ms() counts; kept while jobs are there that may run twice
  bool is_watching_stragglers_ = false;
  std::uint32_t images_seen_ = 0;
  std::uint64_t done_ = 0, failed_ = 0;
  std::optional<wire::offer> offered_;
  std::map<std::uint32_t, std::set<std::string>> holders_;          ///< of told images: node ids
  std::set<std::pair<std::uint32_t, std::uint32_t>> refused_told_;  ///< by node and told image
  std::map<std::uint64_t, checkout> held_;                          ///< workers that are this client's, by name
  std::vector<std::uint32_t> recalled_from_;                        ///< nodes asked to give back in this round
  std::atomic<unsigned> slots_{0};
  bool is_deciding_soon_ = false;
  bool is_closing_ = false;
  bool is_closed_ = false;
};

}  // namespace pp::ppclient
