// One node: connect, prove, pump frames, reconnect with back-off.
//
// Promises: no byte of code or argument leaves before the node's proof is verified. A closed or silent connection is a dead
// node: on_link_lost() is called once for each on_link_ready(). Nothing that a node sends can end more than its own connection.
// Owner: cluster. Threads: the I/O thread only. Must not know: which job goes where, futures.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/handshake.hpp"
#include "code/image.hpp"
#include "net/channel.hpp"
#include "net/tls.hpp"
#include "pp/options.hpp"
#include "ppclient/record.hpp"
#include "ppclient/sources.hpp"
#include "wire/login.hpp"
#include "wire/message.hpp"
#include "wire/terms.hpp"
#include "worker/shared_values.hpp"

namespace pp::ppclient {

enum class link_state : std::uint8_t { found, connecting, ready, suspect, draining, lost, refused, duplicate };
const char* text_of(link_state s);

/// "host" and "port" as given; numeric for found nodes.
struct place {
  std::string name;
  std::string port;
  std::string text() const;
  bool operator==(const place&) const = default;
};
/// "host", "host:port", "[v6]:port". Throws pp::error(errc::bad_option).
place parse_place(std::string_view text);

class link;

/// What all links of a client share; outlives them.
struct link_context {
  const options& settings;
  const auth::keyring& keys;
  const net::tls_context& tls;
  std::array<std::uint8_t, 16> client_id{};
  sources* contents = nullptr;  ///< who gets what from whom

  /// The name of a job of this client for ever: its records are used again, but never with the same id.
  wire::job_id name_of(const detail::job_record& job) const {
    wire::job_id name = client_id;
    store_big_endian(name.data() + 8, job.id());
    return name;
  }
};

class link_owner {
 public:
  virtual ~link_owner() = default;
  /// The node is proved and said WELCOME. False: it is known already under another link; this one parks.
  virtual bool on_link_ready(link& from) = 0;
  virtual void on_link_lost(link& from) = 0;
  /// Suspect, draining or full: nothing more may be sent to it for now. state() tells whether it is suspect.
  virtual void on_link_paused(link& from, bool paused) = 0;
  /// The node said GOODBYE: what it has not begun comes back, then the connection ends.
  virtual void on_link_leaving(link& from) = 0;
  virtual void on_link_credit(link& from, std::int32_t change) = 0;
  virtual void on_link_result(link& from, const net::message& result) = 0;
  virtual void on_link_unfit(link& from, std::uint32_t image, const std::string& reason) = 0;
  /// So many of the node's workers are checked out.
  virtual void on_link_lent(link& from, unsigned workers) = 0;
  /// The worker that this client has there under that name is gone.
  virtual void on_link_lease_over(link& from, std::uint64_t name, const std::string& why) = 0;
  /// The node has told what jobs may ask for there: link::resources.
  virtual void on_link_resources(link& from) = 0;
  virtual void on_link_batch_end() = 0;
  /// The node lacks what this client cannot send.
  virtual void on_link_lacks(link& from, std::uint32_t image) = 0;
  /// Links that wait for content from others shall look again.
  virtual void on_contents_changed() = 0;
  virtual const code::image& image(std::uint32_t index) = 0;
  /// Found nodes are dialled with restraint (docs/security.md); the moment from which it is allowed.
  virtual time_point may_dial_at(link& from) = 0;
  /// Permission to dial now; if granted, on_dial_ended() follows.
  virtual bool may_dial(link& from) = 0;
  virtual void on_dial_ended(const auth::node_id& dialled) = 0;
};

class link final : private net::channel::handler {
 public:
  link(net::executor ex, const link_context& context, link_owner& owner, std::vector<place> places,
       std::optional<auth::node_id> expected);
  ~link() override;

  /// Runs until cancelled. Call once.
  net::awaitable<void> run();
  /// Dial again now: the node announced itself.
  void nudge();
  void set_places(std::vector<place> places) { places_ = std::move(places); }
  /// Requires: !is_ready(). The node at these places was started again and has a new id.
  void adopt(const auth::node_id& id);
  bool has_place(const place& p) const { return std::find(places_.begin(), places_.end(), p) != places_.end(); }
  /// No dialling any more unless nudged; an established connection stays.
  void rest() { is_resting_ = true; }
  void unrest() { is_resting_ = false; }
  /// run() returns soon; has_ended() tells when. Requires: !is_ready().
  void retire();
  bool has_ended() const { return has_ended_; }

  /// Requires: is_ready(). Sends the job, and before it the image if this channel has not seen it.
  void send_job(const detail::job_record& record, std::uint16_t attempt);
  void cancel(std::uint64_t job_id, std::uint16_t attempt, wire::cancel_reason why);
  /// Gives back the worker that is checked out under that name, if it is; behind all jobs that were sent.
  void check_in(std::uint64_t name);
  /// `done` gets the round trip time; nothing is called if the connection ends first.
  void ping(std::function<void(duration)> done);
  void query_stats(std::function<void(std::string)> done);
  /// What other clients of this key offer there by name, as JSON; nothing is called if the connection ends first.
  void query_functions(std::function<void(std::string)> done);
  /// What this client offers there. Announces the image of `what` first if need be.
  void send_offer(const wire::offer& what);
  /// `done` gets an empty text when the node has agreed, else why not; nothing is called if the connection ends first.
  void drain(std::chrono::milliseconds limit, std::function<void(std::string)> done);
  /// Says GOODBYE, waits at most `limit` until it is written, closes.
  net::awaitable<void> say_goodbye(time_point limit);
  /// What others have has changed: this node may now get from them what it waits for.
  void reconsider() {
    is_to_look_again_ = true;
    needed_.cancel();
  }
  /// Where other nodes reach this one; requires is_ready().
  wire::holder as_holder() const;
  /// Bit 0 of its SERVER_HELLO.
  bool takes_part_in_peer_transfer() const { return (features_ & wire::feature_peer_transfer) != 0; }
  /// Ends the connection now; run() goes on with back-off.
  void drop(const std::string& reason);

  bool is_ready() const { return channel_ != nullptr && is_welcome_; }
  link_state state() const { return state_; }
  const std::string& reason() const { return reason_; }
  const wire::welcome& welcome() const { return welcome_; }
  const std::optional<auth::node_id>& id() const { return id_; }
  bool is_static() const { return is_static_; }
  std::string address() const;
  std::string name() const;
  /// As reached, and as given or found.
  std::vector<std::string> addresses() const;

  // Kept by the cluster.
  std::uint32_t node = UINT32_MAX;  ///< index in the scheduler while ready
  const std::string* kept_name = nullptr;
  std::string found_name;  ///< from the announcement, until WELCOME says
  unsigned found_slots = 0, found_free = 0;
  std::uint64_t jobs_done = 0, jobs_rescheduled = 0, run_us = 0;
  std::string unfit_reason;
  bool is_same_host = false;
  std::vector<wire::resource> resources;  ///< since it is ready

  std::uint64_t code_bytes_sent() const { return code_bytes_sent_; }
  std::uint64_t shared_bytes_sent() const { return shared_bytes_sent_; }
  std::uint64_t bytes_sent() const { return bytes_sent_before_ + (channel_ ? channel_->bytes_sent() : 0); }
  std::uint64_t bytes_received() const { return bytes_received_before_ + (channel_ ? channel_->bytes_received() : 0); }

 private:
  /// `image`: an image's index, or a value's, which has one module.
  struct wanted_modules {
    std::uint32_t image;
    std::vector<std::uint16_t> modules;
  };
  /// A module that this node shall get from one that will soon have it.
  struct parked_module {
    std::uint32_t image;
    std::uint16_t module;
    time_point since;
  };

  void on_message(const net::message& m) override;
  void on_batch_end() override { owner_.on_link_batch_end(); }
  void on_writable() override;
  void on_welcome(const net::message& m);
  bool is_wanted();
  void on_goodbye(const net::message& m);
  void on_pong(const net::message& m);
  void on_need(const net::message& m);
  void on_have(const net::message& m);
  void on_unsupported(const net::message& m);
  void on_lent(const net::message& m);
  void on_resources(const net::message& m);
  void on_check_in(const net::message& m);
  void on_functions(const net::message& m);
  void answer_drain(const std::string& problem);
  void announce(std::uint32_t image);
  // Shared values (link_values.cpp).
  struct announced_value {
    std::uint32_t index = 0;
    std::weak_ptr<detail::shared_value> what;
  };
  void announce_values(const detail::shared_values& values);
  void announce_value(const detail::shared_value_pointer& value);
  void release_values();
  using value_table = std::map<wire::content_id, announced_value>;
  value_table::iterator release(value_table::iterator at);
  code::shared_pointer value_of(std::uint32_t index) const;
  void on_need_of_value(std::uint32_t index);

  net::awaitable<void> connect_once();
  net::awaitable<void> dial_and_prove();
  net::awaitable<void> prove(net::tls_stream& stream);
  net::awaitable<net::tcp::socket> dial();
  net::awaitable<std::vector<net::tcp::endpoint>> resolve();
  net::awaitable<void> heartbeat();
  net::awaitable<void> ship_code();
  net::awaitable<void> provide(std::uint32_t image, std::uint16_t module, time_point since);
  net::awaitable<void> wait_until_needed();
  const code::module_entry& module_of(std::uint32_t image, std::uint16_t module);
  void send_fetch_from(const wire::content_id& content, std::vector<wire::holder> holders);
  struct shipment;
  std::optional<shipment> shipment_of(std::uint32_t image, std::uint16_t module);
  net::awaitable<void> ship(const shipment& what);
  net::awaitable<void> wait_until_writable();
  net::awaitable<void> wait_before_next_dial();
  void note_failure(const std::exception& e);
  void end_connection();
  void set_pause();

  net::executor executor_;
  const link_context& context_;
  link_owner& owner_;
  std::vector<place> places_;
  std::optional<auth::node_id> expected_, id_;
  bool is_static_;
  bool is_resting_ = false, is_leaving_ = false, has_ended_ = false;
  link_state state_ = link_state::found;
  std::string reason_;
  std::string connected_to_;
  net::tcp::endpoint reached_;
  std::uint64_t features_ = 0;
  duration back_off_{};
  time_point next_dial_{};
  net::steady_timer wake_;      ///< nudge
  net::steady_timer writable_;  ///< never fires; cancelled when the channel has room
  net::steady_timer needed_;    ///< never fires; cancelled when a NEED came

  std::shared_ptr<net::channel> channel_;  ///< also owned by say_goodbye() while it waits
  std::unique_ptr<net::tls_stream> proved_;
  bool is_welcome_ = false, is_suspect_ = false, is_draining_ = false, is_full_ = false, is_paused_ = false,
       was_suspect_ = false;
  wire::welcome welcome_;
  std::vector<bool> announced_;  ///< images this channel has seen
  std::deque<wanted_modules> wanted_;
  std::vector<parked_module> parked_;
  bool is_to_look_again_ = false;  ///< at what is parked
  value_table values_;
  std::map<std::uint32_t, wire::content_id> value_of_index_;
  std::uint32_t next_value_ = wire::first_value;
  std::uint64_t next_token_ = 1;
  std::vector<std::pair<std::uint64_t, std::pair<time_point, std::function<void(duration)>>>> pings_;
  std::vector<std::function<void(std::string)>> stats_queries_, functions_queries_;
  std::vector<std::function<void(std::string)>> drain_answers_;
  std::uint64_t code_bytes_sent_ = 0, shared_bytes_sent_ = 0, bytes_sent_before_ = 0, bytes_received_before_ = 0;
};

}  // namespace pp::ppclient
