#include "ppclient/link.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "net/deadline.hpp"

namespace pp::ppclient {
namespace {

constexpr duration first_back_off = std::chrono::milliseconds(200);
constexpr duration longest_back_off = std::chrono::seconds(2);
constexpr duration refused_back_off = std::chrono::seconds(5);
constexpr duration refused_dial_pause = std::chrono::milliseconds(200);

}  // namespace

const char* text_of(link_state s) {
  switch (s) {
    case link_state::found: return "found";
    case link_state::connecting: return "connecting";
    case link_state::ready: return "ready";
    case link_state::suspect: return "suspect";
    case link_state::draining: return "draining";
    case link_state::lost: return "lost";
    case link_state::refused: return "refused";
    case link_state::duplicate: return "duplicate";
  }
  return "?";
}

link::link(net::executor ex, const link_context& context, link_owner& owner, std::vector<place> places,
           std::optional<auth::node_id> expected)
    : executor_(ex),
      context_(context),
      owner_(owner),
      places_(std::move(places)),
      expected_(expected),
      id_(expected),
      is_static_(!expected.has_value()),
      wake_(ex, time_point::max()),
      writable_(ex, time_point::max()),
      needed_(ex, time_point::max()) {}

link::~link() = default;

std::string link::address() const {
  if (!connected_to_.empty()) return connected_to_;
  return places_.empty() ? std::string() : places_.front().text();
}

std::string link::name() const {
  if (!welcome_.name.empty()) return welcome_.name;
  return found_name.empty() ? address() : found_name;
}

std::vector<std::string> link::addresses() const {
  std::vector<std::string> out{address()};
  for (const auto& p : places_) out.push_back(p.text());
  return out;
}

// --- life ------------------------------------------------------------------------------------------------------------

net::awaitable<void> link::run() {
  while (!is_leaving_) {
    co_await wait_before_next_dial();
    if (!is_leaving_) co_await connect_once();
  }
  has_ended_ = true;
}

void link::retire() {
  is_leaving_ = true;
  wake_.cancel();
}

void link::nudge() {
  is_resting_ = false;
  back_off_ = {};
  next_dial_ = {};
  wake_.cancel();
}

void link::adopt(const auth::node_id& id) {
  expected_ = id_ = id;
  welcome_ = {};
  nudge();
}

void link::drop(const std::string& reason) {
  reason_ = reason;
  if (channel_) channel_->close();
}

net::awaitable<void> link::wait_before_next_dial() {
  while (!is_leaving_) {
    auto when = next_dial_;
    if (is_resting_) when = time_point::max();
    if (!is_static_ && !is_resting_) when = std::max(when, owner_.may_dial_at(*this));
    if (when <= now() && owner_.may_dial(*this)) co_return;
    when = std::max(when, now() + refused_dial_pause);
    wake_.expires_at(when);
    net::error_code woken;
    co_await wake_.async_wait(net::redirect_error(net::use_awaitable, woken));
    const auto cancelled = co_await net::this_coro::cancellation_state;
    if (cancelled.cancelled() != net::asio::cancellation_type::none) throw net::system_error(net::operation_aborted);
  }
}

net::awaitable<void> link::connect_once() {
  state_ = link_state::connecting;
  // Permission was for the id of then: the link may adopt another one meanwhile.
  auto granted = is_static_ ? std::nullopt : id_;
  const auto dialled = [&] {
    if (granted) owner_.on_dial_ended(*granted);
    granted.reset();
  };
  try {
    co_await net::with_deadline(dial_and_prove(), now() + context_.settings.connect_timeout);
    dialled();
    channel_ = std::make_shared<net::channel>(std::move(proved_));
    co_await net::until_either_fails(channel_->run(*this), net::until_either_fails(heartbeat(), ship_code()));
  } catch (const std::exception& e) {  // the boundary: whatever ends a connection ends here
    note_failure(e);
  }
  dialled();
  end_connection();
}

void link::note_failure(const std::exception& e) {
  if (state_ == link_state::duplicate) return;
  state_ = link_state::lost;
  std::string why = e.what();
  if (const auto* known = dynamic_cast<const error*>(&e)) {
    const bool is_login = !is_welcome_;  // what breaks the login rules there is no node of ours
    if (known->code() == errc::refused || known->code() == errc::version_mismatch ||
        (is_login && known->code() == errc::bad_message)) {
      state_ = link_state::refused;
    }
  } else if (const auto* io = dynamic_cast<const net::system_error*>(&e)) {
    if (io->code() == net::asio::error::timed_out) why = "no answer in time";
    if (io->code() == net::asio::error::eof) why = "the connection was closed";
    if (io->code() == net::operation_aborted && !reason_.empty()) why = reason_;
  }
  reason_ = why;
  if (is_leaving_) return;
  if (is_welcome_ || state_ == link_state::refused) {
    log::warn("node_lost", {{"node", name()}, {"address", address()}, {"reason", reason_}});
  } else {
    log::debug("node_unreachable", {{"address", address()}, {"reason", reason_}});
  }
}

void link::end_connection() {
  proved_.reset();
  if (channel_) {
    bytes_sent_before_ += channel_->bytes_sent();
    bytes_received_before_ += channel_->bytes_received();
    channel_->close();  // whoever waits in flush() learns of it
    channel_.reset();
  }
  const bool was_ready = is_welcome_ && state_ != link_state::duplicate;
  is_welcome_ = is_suspect_ = is_draining_ = is_full_ = is_paused_ = was_suspect_ = false;
  announced_.clear();
  values_.clear();
  value_of_index_.clear();
  next_value_ = wire::first_value;
  wanted_.clear();
  parked_.clear();
  pings_.clear();
  stats_queries_.clear();
  functions_queries_.clear();
  answer_drain("its connection ended before it answered");
  if (was_ready) owner_.on_link_lost(*this);
  if (was_ready) back_off_ = {};
  const auto longest = state_ == link_state::refused ? refused_back_off : longest_back_off;
  back_off_ = state_ == link_state::refused ? refused_back_off : std::clamp(back_off_ * 2, first_back_off, longest);
  next_dial_ = now() + back_off_;
}

// --- the connection --------------------------------------------------------------------------------------------------

net::awaitable<void> link::heartbeat() {
  const duration own = context_.settings.heartbeat;
  for (;;) {
    const duration interval = is_welcome_ && welcome_.heartbeat_ms > 0
                                  ? std::min<duration>(own, std::chrono::milliseconds(welcome_.heartbeat_ms))
                                  : own;
    const auto due = now() + interval;
    co_await net::sleep_until(due);
    bytes token;
    wire::encode_ping({0}, token);
    channel_->send(wire::message_type::ping, 0, 0, token);
    // If this process itself was held up (stopped, suspended), what the node sent lies unread: judge next time.
    if (now() - due > interval) continue;
    const auto silence = now() - channel_->last_received();
    if (silence >= context_.settings.dead_after) {
      drop("silent for " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(silence).count()) +
           " ms");
      throw net::system_error(net::operation_aborted);
    }
    is_suspect_ = silence >= context_.settings.suspect_after;
    release_values();
    set_pause();
  }
}

void link::set_pause() {
  if (is_welcome_ && state_ != link_state::duplicate) {
    state_ = is_draining_ ? link_state::draining : is_suspect_ ? link_state::suspect : link_state::ready;
  }
  const bool paused = is_suspect_ || is_draining_ || is_full_;
  if ((paused == is_paused_ && is_suspect_ == was_suspect_) || !is_welcome_) return;
  is_paused_ = paused;
  was_suspect_ = is_suspect_;
  owner_.on_link_paused(*this, paused);
}

void link::on_writable() {
  is_full_ = false;
  writable_.cancel();
  set_pause();
}

void link::on_message(const net::message& m) {
  switch (m.head.type) {
    case wire::message_type::result: owner_.on_link_result(*this, m); return;
    case wire::message_type::welcome: on_welcome(m); return;
    case wire::message_type::credit: {
      const auto c = wire::decode_credit(m.view);
      if (!c) throw error(errc::bad_message, "malformed CREDIT");
      if (is_welcome_) owner_.on_link_credit(*this, c->change);
      return;
    }
    case wire::message_type::need: on_need(m); return;
    case wire::message_type::have: on_have(m); return;
    case wire::message_type::unfit: {
      const auto u = wire::decode_unfit(m.view);
      if (!u) throw error(errc::bad_message, "malformed UNFIT");
      owner_.on_link_unfit(*this, u->index, u->reason);
      return;
    }
    case wire::message_type::ping:
      channel_->send(wire::message_type::pong, 0, 0, m.view.first(std::min<std::size_t>(8, m.view.size())));
      return;
    case wire::message_type::pong: on_pong(m); return;
    case wire::message_type::goodbye: on_goodbye(m); return;
    case wire::message_type::stats: {
      if (stats_queries_.empty()) return;
      const auto done = std::move(stats_queries_.front());
      stats_queries_.erase(stats_queries_.begin());
      done(std::string(as_text(m.view)));
      return;
    }
    case wire::message_type::functions: on_functions(m); return;
    case wire::message_type::unsupported: on_unsupported(m); return;
    case wire::message_type::lent: on_lent(m); return;
    case wire::message_type::check_in: on_check_in(m); return;
    case wire::message_type::resources: on_resources(m); return;
    default: break;
  }
  bytes answer;
  wire::encode_unsupported({static_cast<std::uint8_t>(m.head.type)}, answer);
  channel_->send(wire::message_type::unsupported, 0, 0, answer);
}

void link::on_welcome(const net::message& m) {
  const auto w = wire::decode_welcome(m.view);
  if (!w || is_welcome_) throw error(errc::bad_message, "malformed or second WELCOME");
  welcome_ = *w;
  resources.clear();
  is_welcome_ = true;
  state_ = link_state::ready;
  reason_.clear();
  if (!is_wanted()) {
    state_ = link_state::duplicate;
    rest();
    throw error(errc::closed, "this node is already used through another address");
  }
}

/// A node that the owner refuses was never ready, not even until the connection has ended.
bool link::is_wanted() {
  try {
    return owner_.on_link_ready(*this);
  } catch (...) {
    is_welcome_ = false;
    state_ = link_state::refused;
    throw;
  }
}

void link::on_goodbye(const net::message& m) {
  const auto g = wire::decode_goodbye(m.view);
  if (!g) throw error(errc::bad_message, "malformed GOODBYE");
  reason_ = g->text;
  is_draining_ = true;
  set_pause();
  if (is_welcome_) owner_.on_link_leaving(*this);
  answer_drain(g->reason == static_cast<std::uint16_t>(errc::shutting_down) ? std::string() : g->text);
}

void link::on_unsupported(const net::message& m) {
  const auto u = wire::decode_unsupported(m.view);
  if (u && u->type == static_cast<std::uint8_t>(wire::message_type::functions_query))
    for (const auto& answer : std::exchange(functions_queries_, {})) answer("[]");  // an older node
  if (u && u->type == static_cast<std::uint8_t>(wire::message_type::drain))
    answer_drain("it runs an older version that cannot be asked to drain: send it SIGTERM");
}

void link::answer_drain(const std::string& problem) {
  for (const auto& answer : std::exchange(drain_answers_, {})) answer(problem);
}

void link::drain(std::chrono::milliseconds limit, std::function<void(std::string)> done) {
  if (is_draining_) return done({});
  drain_answers_.push_back(std::move(done));
  bytes payload;
  wire::encode_drain({static_cast<std::uint32_t>(limit.count())}, payload);
  channel_->send(wire::message_type::drain, 0, 0, payload);
}

void link::on_pong(const net::message& m) {
  const auto p = wire::decode_ping(m.view);
  if (!p) throw error(errc::bad_message, "malformed PONG");
  const auto known = std::find_if(pings_.begin(), pings_.end(), [&](const auto& e) { return e.first == p->token; });
  if (known == pings_.end()) return;
  const auto [sent, done] = std::move(known->second);
  pings_.erase(known);
  done(now() - sent);
}

void link::ping(std::function<void(duration)> done) {
  const auto token = next_token_++;
  pings_.push_back({token, {now(), std::move(done)}});
  bytes payload;
  wire::encode_ping({token}, payload);
  channel_->send(wire::message_type::ping, 0, 0, payload);
}

void link::query_stats(std::function<void(std::string)> done) {
  stats_queries_.push_back(std::move(done));
  channel_->send(wire::message_type::stats_query, 0, 0, byte_view{});
}

net::awaitable<void> link::say_goodbye(time_point limit) {
  is_leaving_ = true;
  const auto kept = channel_;  // the connection may end while we wait
  if (!kept) co_return;
  bytes payload;
  wire::encode_goodbye({static_cast<std::uint16_t>(errc::closed), 0, "the client is closing"}, payload);
  kept->send(wire::message_type::goodbye, 0, 0, payload);
  try {
    co_await net::with_deadline(kept->flush(), limit);
  } catch (const net::system_error&) {
    // It does not read any more; closing tells it the same.
  }
  kept->close();
}

// --- jobs ------------------------------------------------------------------------------------------------------------

void link::send_job(const detail::job_record& record, std::uint16_t attempt) {
  announce(record.image);
  if (record.extra && !record.extra->values.empty()) announce_values(record.extra->values);
  const auto head = submit_head(record, record.image, context_.name_of(record));
  if (auto large = record.large_arguments()) {
    channel_->send(wire::message_type::submit, record.id(), attempt, byte_view(head.data(), head.size()),
                   std::move(large));
  } else {
    channel_->send(wire::message_type::submit, record.id(), attempt, byte_view(head.data(), head.size()),
                   record.arguments());
  }
  if (channel_->is_full()) {
    is_full_ = true;
    set_pause();
  }
}

void link::cancel(std::uint64_t job_id, std::uint16_t attempt, wire::cancel_reason why) {
  bytes payload;
  wire::encode_cancel({why}, payload);
  // Behind the SUBMIT if that is still being cut: before it, it would be about a job nobody knows.
  channel_->send_behind(wire::message_type::cancel, job_id, attempt, payload);
}

}  // namespace pp::ppclient
