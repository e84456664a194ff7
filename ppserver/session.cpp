#include "ppserver/session.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "code/platform.hpp"
#include "net/deadline.hpp"
#include "wire/message.hpp"
#include "worker/made_results.hpp"

namespace pp::ppserver {
namespace {

using wire::message_type;

/// Answers that pile up because the client does not read them; results do not count, credit bounds them.
constexpr std::uint32_t most_unread_answers = 10000;
constexpr std::size_t longest_manifest = 1U << 20U;
constexpr auto farewell = std::chrono::seconds(2);

[[noreturn]] void refuse(const char* why) { throw error(errc::bad_message, why); }

template <class T>
T checked(result<T> decoded, const char* what) {
  if (!decoded) throw error(errc::bad_message, std::string("malformed ") + what);
  return std::move(*decoded);
}

std::uint32_t in_ms(std::chrono::milliseconds length) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(length.count(), 0, UINT32_MAX));
}

/// The RESULT of a job that was not begun; its credit byte is still to be set.
bytes not_started() {
  bytes payload(wire::result_head::size);
  wire::result_head head;
  head.code = wire::code_not_started;
  wire::encode_result_head(head, payload.data());
  wire::encode_failure({}, payload);
  return payload;
}

}  // namespace

session::session(std::uint64_t number, std::unique_ptr<net::byte_stream> stream, peer client,
                 const surroundings& around)
    : number_(number),
      client_(std::move(client)),
      around_(around),
      channel_(std::move(stream)),
      tasks_(around.executor),
      credit_(around.shares.share_of(number, now())),
      images_(around.programs, around.settings.cache_bytes, *this) {}

net::awaitable<void> session::run() {
  log::info("client_in",
            {{"address", client_.address}, {"key", client_.who.key_name}, {"client", to_hex(client_.who.id)}});
  owner_ = around_.jobs.add_owner(*this);
  around_.jobs.set_weight(owner_, weight());
  around_.shares.on_session_began(number_);
  send_welcome();
  tasks_.spawn("watch a client", watch());
  std::string reason;
  try {
    co_await channel_.run(*this);
  } catch (const std::exception& e) {
    reason = e.what();
  } catch (...) {
    reason = "unknown exception";
  }
  if (reason_.empty()) reason_ = reason;
  // Whoever cancelled us wants exactly this to happen.
  co_await net::this_coro::reset_cancellation_state();
  around_.jobs.remove_owner(owner_);
  around_.shares.on_session_ended(number_);
  around_.offered->end(number_);
  channel_.close();
  co_await tasks_.close();
  log_end();
}

void session::send_welcome() {
  const auto& here = code::this_platform();
  wire::welcome m;
  m.slots = static_cast<std::uint16_t>(std::min(around_.jobs.slots(), 65535U));
  m.credit = credit_.initial();
  m.heartbeat_ms = in_ms(around_.settings.heartbeat);
  m.dead_ms = in_ms(around_.settings.dead_after);
  m.longest_message = wire::max_message_bytes;
  m.machine = here.machine;
  m.isa_level = here.isa_level;
  m.isolation = around_.isolation;
  m.name = around_.settings.name;
  m.version = PP_VERSION;
  m.os = here.os;
  m.glibc = here.glibc;
  m.glibcxx = here.glibcxx;
  m.cxxabi = here.cxxabi;
  bytes payload;
  wire::encode_welcome(m, payload);
  channel_.send(message_type::welcome, 0, 0, payload);
  send_resources();
  if (around_.jobs.lent() > 0) on_lent(around_.jobs.lent());
}

// --- what the client sends -------------------------------------------------------------------------------------------

void session::on_message(const net::message& m) {
  if (leaving_) return;
  try {
    dispatch(m);
  } catch (const error& e) {
    leave(errc::bad_message, e.what());
  }
}

// Large arguments are received where the workers will find them.
block session::place_for(const wire::frame_header& head, byte_view beginning, std::size_t size) {
  if (head.type == message_type::submit) {
    const auto image = load_big_endian<std::uint32_t>(beginning.data());  // the rest of it may not be here yet
    if (auto place = place_in_arena(image, size)) return place;
  }
  return handler::place_for(head, beginning, size);
}

/// Empty for few bytes, and where there is no room.
block session::place_in_arena(std::uint32_t image, std::size_t size) const {
  if (size <= worker::job_bytes::largest_copied) return {};
  const auto what = images_.program_of(image);
  return what ? around_.jobs.place_for({what, client_.who.with}, size) : block();
}

void session::dispatch(const net::message& m) {
  check_role(m.head.type);
  switch (m.head.type) {
    case message_type::submit: return on_submit(m);
    case message_type::image: return on_image(m);
    case message_type::value: return images_.on_value(checked(wire::decode_value(m.view), "VALUE"));
    case message_type::release: return images_.on_release(checked(wire::decode_release(m.view), "RELEASE"));
    case message_type::chunk: return on_chunk(m);
    case message_type::fetch_from: return on_fetch_from(m);
    case message_type::cancel: return on_cancel(m);
    case message_type::drain: return on_drain(m);
    case message_type::check_in: return on_check_in(m);
    case message_type::ping: return on_ping(m);
    case message_type::goodbye: return on_goodbye(m);
    case message_type::stats_query: return on_stats_query(m);
    case message_type::offer: return on_offer(m);
    case message_type::functions_query: return on_functions_query();
    case message_type::pong:
    case message_type::unsupported: return;
    default: break;
  }
  if (!may_answer()) return;
  bytes payload;
  wire::encode_unsupported({static_cast<std::uint8_t>(m.head.type)}, payload);
  channel_.send(message_type::unsupported, 0, 0, payload);
}

void session::check_role(message_type type) const {
  if (type == message_type::drain && client_.who.as != auth::role::admin)
    refuse("only a client with the role admin may drain a node");
  if (client_.who.as != auth::role::observe) return;
  switch (type) {
    case message_type::submit:
    case message_type::image:
    case message_type::value:
    case message_type::release:
    case message_type::chunk:
    case message_type::check_in:
    case message_type::fetch_from:
    case message_type::offer:
    case message_type::cancel: refuse("a client that only observes may not send jobs");
    default: return;
  }
}

void session::on_submit(const net::message& m) {
  const auto head = checked(wire::decode_submit(m.view), "SUBMIT");
  if (m.head.job == 0 || m.head.attempt == 0) refuse("SUBMIT without a job");
  worker::pool_job job;
  job.id = m.head.job;
  job.attempt = m.head.attempt;
  if (head.terms_bytes > 0)
    job.terms = std::make_shared<const wire::terms>(checked(wire::decode_terms(wire::terms_of(head, m.view)), "terms"));
  check_resources(job);
  if (!may_come(m, job)) refuse("more jobs than the credit that was granted");
  if (draining_) return give_back(m.head.job, m.head.attempt);
  job.payload =
      m.owned ? worker::job_bytes(m.owned) : worker::job_bytes(m.view, {}, place_in_arena(head.image, m.view.size()));
  images_.on_job(head.image, std::move(job));
}

void session::on_image(const net::message& m) {
  if (m.view.size() > longest_manifest) refuse("IMAGE is too long");
  images_.on_image(checked(wire::decode_image(m.view), "IMAGE"));
}

void session::on_chunk(const net::message& m) { images_.on_chunk(checked(wire::decode_chunk(m.view), "CHUNK")); }

void session::on_cancel(const net::message& m) {
  const bool at_once = checked(wire::decode_cancel(m.view), "CANCEL").why == wire::cancel_reason::cancel;
  if (const auto attempt = images_.take_back(m.head.job)) {
    if (!at_once) return give_back(m.head.job, *attempt);
    return give_back(m.head.job, *attempt,
                     worker::ended_result(errc::cancelled, "the job was cancelled before it began", {}));
  }
  at_once ? around_.jobs.cancel(owner_, m.head.job) : around_.jobs.recall(owner_, m.head.job);
}

void session::on_drain(const net::message& m) {
  const auto limit = checked(wire::decode_drain(m.view), "DRAIN").limit_ms;
  log::info("drain_asked", {{"address", client_.address}, {"key", client_.who.key_name}, {"limit_ms", limit}});
  around_.drain(std::chrono::milliseconds(limit));
}

void session::on_ping(const net::message& m) {
  checked(wire::decode_ping(m.view), "PING");
  if (may_answer()) channel_.send(message_type::pong, 0, 0, m.view);
}

void session::on_goodbye(const net::message& m) {
  checked(wire::decode_goodbye(m.view), "GOODBYE");
  reason_ = "the client said goodbye";
  leaving_ = true;
  channel_.close();
}

void session::on_stats_query(const net::message&) {
  if (may_answer()) channel_.send(message_type::stats, 0, 0, as_bytes(around_.statistics()));
}

// The client decides how often it asks, but not how many answers wait here for it to read.
bool session::may_answer() {
  if (!channel_.is_full()) return true;
  if (++unread_ > most_unread_answers) refuse("answers that are never read");
  return unread_ < 100;
}

void session::on_batch_end() {
  if (leaving_) return;
  follow_share(now());
}

void session::follow_share(time_point t) {
  if (credit_.outstanding() > 0) around_.shares.on_busy(number_, t);
  credit_.set_share(around_.shares.share_of(number_, t));
  send_correction();
}

void session::send_correction() {
  const auto change = draining_ ? 0 : credit_.correction();
  if (change == 0) return;
  bytes payload;
  wire::encode_credit({change}, payload);
  channel_.send(message_type::credit, 0, 0, payload);
}

// --- what the pool and the images say --------------------------------------------------------------------------------

void session::on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) {
  if (has_said_all_) return;
  const auto code = load_big_endian<std::uint16_t>(payload.view.data() + 2);
  if (code == wire::code_not_started) return give_back(job, attempt);
  ++jobs_done_;
  payload.view[0] = credit_for(job);
  if (payload.owned) {
    channel_.send(message_type::result, job, attempt, std::move(payload.owned));
  } else {
    channel_.send(message_type::result, job, attempt, byte_view(payload.view));
  }
  send_correction();
}

void session::on_unfit(const code::image_id& image, const std::string& reason,
                       const std::vector<std::uint64_t>& returned) {
  images_.on_unfit(image, reason);
  // The client took these back when it read UNFIT; the answers only settle the credit.
  for (const auto job : returned) give_back(job, 0);
}

void session::send_need(const wire::need& m) {
  bytes payload;
  wire::encode_need(m, payload);
  channel_.send(message_type::need, 0, 0, payload);
}

void session::send_unfit(const wire::unfit& m) {
  log::info("image_unfit", {{"address", client_.address}, {"reason", m.reason}});
  bytes payload;
  wire::encode_unfit(m, payload);
  channel_.send(message_type::unfit, 0, 0, payload);
}

void session::run(const std::shared_ptr<const code::launchable>& what, worker::pool_job job) {
  around_.jobs.submit(owner_, {what, client_.who.with}, std::move(job));
}

void session::refuse_job(std::uint64_t job, std::uint16_t attempt, const std::string& reason) {
  give_back(job, attempt, worker::ended_result(errc::unfit_node, reason, {}));
}

void session::give_back(std::uint64_t job, std::uint16_t attempt) { give_back(job, attempt, not_started()); }

void session::give_back(std::uint64_t job, std::uint16_t attempt, bytes payload) {
  ++jobs_returned_;
  payload[0] = in_place_.erase(job) > 0 ? wire::result_head::no_credit : credit_.on_returned();
  channel_.send(message_type::result, job, attempt, payload);
}

// --- life and end ----------------------------------------------------------------------------------------------------

net::awaitable<void> session::watch() {
  const auto& times = around_.settings;
  time_point alive = now(), last_turn = alive;
  for (;;) {
    co_await net::sleep_for(times.heartbeat);
    const auto t = now();
    // We were stopped ourselves: what the client sent meanwhile is still to be read.
    if (t - last_turn > 2 * times.heartbeat) alive = t;
    last_turn = t;
    alive = std::max(alive, channel_.last_received());
    if (t - alive > times.dead_after) {
      reason_ = "silent for " + std::to_string(times.dead_after.count()) + " ms";
      channel_.close();
      co_return;
    }
    if (leaving_) continue;
    follow_share(t);
    if (channel_.is_full()) continue;
    bytes payload;
    wire::encode_ping({static_cast<std::uint64_t>(t.time_since_epoch().count())}, payload);
    channel_.send(message_type::ping, 0, 0, payload);
  }
}

void session::drain() {
  if (draining_ || leaving_) return;
  draining_ = true;
  send_goodbye(errc::shutting_down, "the node is being stopped");
  images_.give_back_all();
}

void session::leave(errc why, const std::string& text) {
  if (leaving_) return;
  leaving_ = true;
  reason_ = text;
  if (!draining_) send_goodbye(why, text);
  tasks_.spawn("send the rest", send_rest_and_close());
}

void session::send_goodbye(errc why, const std::string& text) {
  const auto drain = draining_ ? in_ms(around_.drain_limit) : 0;
  bytes payload;
  wire::encode_goodbye({static_cast<std::uint16_t>(why), drain, text}, payload);
  channel_.send(message_type::goodbye, 0, 0, payload);
}

net::awaitable<void> session::send_rest_and_close() {
  try {
    auto sent = channel_.flush();
    co_await net::with_deadline(std::move(sent), now() + farewell);
    has_said_all_ = true;
    channel_.finish_writing();
    // It closes when it has read that, which ends this task; jobs that it sent meanwhile must not cost it our last words.
    co_await net::sleep_for(farewell);
  } catch (const net::system_error&) {
    // It does not read any more; then it need not know.
  }
  channel_.close();
}

}  // namespace pp::ppserver
