// One client from the first byte after the login to the last.
//
// A SUBMIT is checked for length, image and credit and goes on untouched; its RESULT comes back with the credit byte set. Every
// SUBMIT is answered by exactly one RESULT; one that was not begun comes back as wire::code_not_started.
// Promises: when the client is gone, by end of stream, error or silence, its running jobs are killed and nothing of it is
// left; whatever a client sends, what is kept for it is bounded, and only its own session ends.
// Threads: the I/O thread only. Must not know: what a job's bytes mean; keys.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "auth/handshake.hpp"
#include "net/channel.hpp"
#include "net/task_group.hpp"
#include "ppserver/config.hpp"
#include "ppserver/images.hpp"
#include "ppserver/offers.hpp"
#include "ppserver/peers.hpp"
#include "worker/credit.hpp"

namespace pp::ppserver {

/// What a session uses of its node; everything outlives every session.
struct surroundings {
  net::executor executor;
  worker::pool& jobs;
  code::store& programs;
  worker::fair_share& shares;
  const config& settings;
  std::function<std::string()> statistics;  ///< the node's, as JSON
  /// Makes the node finish what runs and end, as the first SIGTERM does; a limit of 0 is the node's own.
  std::function<void(std::chrono::milliseconds limit)> drain;
  std::chrono::milliseconds drain_limit{};  ///< that holds
  std::uint8_t isolation = 0;               ///< as WELCOME tells it
  offers* offered = nullptr;                ///< of the node
  peers* others = nullptr;                  ///< nodes that content goes to and comes from; null = there are none
};

/// For statistics.
struct session_numbers {
  std::string address, key_name, client_id;
  std::uint64_t jobs_done = 0, jobs_returned = 0, bytes_in = 0, bytes_out = 0;
  std::uint32_t outstanding = 0, credit_window = 0;
  duration connected{};
  duration mean_run_time{};
  std::uint32_t weight = 1;
};

class session final : net::channel::handler, worker::pool_owner, images::outlet {
 public:
  struct peer {
    auth::proved_client who;
    std::string address;
  };
  /// `number` names this session within its node.
  session(std::uint64_t number, std::unique_ptr<net::byte_stream> stream, peer client, const surroundings& around);

  /// Serves until the client leaves or is sent away. Never throws.
  net::awaitable<void> run();

  /// Says GOODBYE and gives back what has not begun; what runs may finish.
  void drain();
  /// Says GOODBYE (unless drain() did), sends what is queued, and ends.
  void leave(errc why, const std::string& text);

  const auth::proved_client& client() const { return client_.who; }
  session_numbers numbers() const;

 private:
  // The channel.
  void on_message(const net::message& m) override;
  block place_for(const wire::frame_header& head, byte_view beginning, std::size_t size) override;
  void on_batch_end() override;
  void on_writable() override { unread_ = 0; }
  // The pool.
  void on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) override;
  void on_unfit(const code::image_id& image, const std::string& reason,
                const std::vector<std::uint64_t>& returned) override;
  void on_lent(unsigned workers) override;
  void on_lease_over(std::uint64_t place, const std::string& why) override;
  // The images.
  void send_need(const wire::need& m) override;
  void send_unfit(const wire::unfit& m) override;
  void run(const std::shared_ptr<const code::launchable>& what, worker::pool_job job) override;
  void give_back(std::uint64_t job, std::uint16_t attempt) override;
  void refuse_job(std::uint64_t job, std::uint16_t attempt, const std::string& reason) override;
  void give_back(std::uint64_t job, std::uint16_t attempt, bytes payload);
  void content_came(const auth::digest& content, std::uint64_t size) override;
  void content_found(const auth::digest& content, std::uint64_t size) override;
  void fetch(std::uint64_t number, const auth::digest& content, std::uint64_t size,
             const std::vector<wire::holder>& from, code::store::place where) override;
  net::awaitable<void> fetch_content(std::uint64_t number, peers::order what);
  void send_have(const auth::digest& content, std::uint64_t size);

  void dispatch(const net::message& m);
  block place_in_arena(std::uint32_t image, std::size_t size) const;
  void check_role(wire::message_type type) const;
  void on_submit(const net::message& m);
  void on_image(const net::message& m);
  void on_chunk(const net::message& m);
  void on_fetch_from(const net::message& m);
  void on_cancel(const net::message& m);
  void on_drain(const net::message& m);
  void on_check_in(const net::message& m);
  void on_ping(const net::message& m);
  void on_goodbye(const net::message& m);
  void on_stats_query(const net::message& m);
  void on_offer(const net::message& m);
  void on_functions_query();
  bool may_answer();

  bool may_come(const net::message& m, const worker::pool_job& job);
  std::uint8_t credit_for(std::uint64_t job);
  void send_welcome();
  void send_resources();
  void check_resources(const worker::pool_job& job) const;
  void send_correction();
  void send_goodbye(errc why, const std::string& text);
  void follow_share(time_point t);
  net::awaitable<void> watch();
  net::awaitable<void> send_rest_and_close();
  void log_end() const;
  std::uint32_t weight() const;

  const std::uint64_t number_;
  const peer client_;
  const surroundings& around_;
  net::channel channel_;
  net::task_group tasks_;
  worker::pool::owner_id owner_ = 0;
  worker::credit_window credit_;
  std::unordered_set<std::uint64_t> in_place_;  ///< jobs here that are for a checked-out worker and used no credit
  images images_;
  const time_point began_ = now();
  std::uint64_t jobs_done_ = 0, jobs_returned_ = 0;
  std::uint32_t unread_ = 0;  ///< answers sent while the client does not read
  bool draining_ = false, leaving_ = false;
  bool has_said_all_ = false;  ///< nothing more can be sent
  std::string reason_;         ///< why it ended, if somebody decided it
};

}  // namespace pp::ppserver
