#include "ppserver/door.hpp"

#include <sys/socket.h>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "net/login.hpp"
#include "wire/frame.hpp"

namespace pp::ppserver {
namespace {

constexpr std::uint8_t tls_handshake_record = 0x16;

/// The other side just went away, which is no attempt at anything.
struct went_away {};

auth::source source_of(const net::ip::address& from) {
  if (from.is_v4()) {
    const auto raw = from.to_v4().to_bytes();
    return auth::source_of(raw.data(), raw.size());
  }
  const auto raw = from.to_v6().to_bytes();
  return auth::source_of(raw.data(), raw.size());
}

// A reset instead of an orderly end: no state of a refused connection stays behind in this kernel.
void reset(net::tcp::socket& socket) {
  net::error_code ignored;
  socket.set_option(net::asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

net::awaitable<void> wait_until_readable(net::tcp::socket& socket) {
  co_await socket.async_wait(net::tcp::socket::wait_read, net::use_awaitable);
}

/// Looks at the first byte and leaves it there.
void check_first_byte(net::tcp::socket& socket) {
  std::uint8_t first = 0;
  const auto got = ::recv(socket.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got <= 0) throw went_away{};
  if (first != tls_handshake_record) throw error(errc::refused, "does not speak TLS");
}

}  // namespace

struct door::visit {
  time_point accepted = now();
  net::ip::address address;
  auth::source from;
  auth::admission::ticket ticket = 0;
  std::string reason;  ///< why it was turned away, for our log
  std::optional<guest> proved;
};

door::door(const identity& self, const auth::keyring& keys, const auth::admission::limits& l)
    : self_(self), keys_(keys), admission_(l), tls_(net::tls_context::server()), dummy_key_(auth::random_array<32>()) {}

net::awaitable<std::optional<door::guest>> door::admit(net::tcp::socket socket) {
  visit v;
  net::error_code failed;
  const auto peer = socket.remote_endpoint(failed);
  if (failed) co_return std::nullopt;
  v.address = peer.address();
  v.from = source_of(v.address);
  const auto verdict = admission_.on_accept(v.from, v.accepted);
  if (verdict.evict != 0) drop(verdict.evict);
  if (verdict.admitted == 0) {
    reset(socket);
    v.reason = verdict.refusal;
    log_refusal(v);
    co_return std::nullopt;
  }
  v.ticket = verdict.admitted;
  try {
    co_await prove(std::move(socket), v);
  } catch (const went_away&) {
  } catch (const std::exception& e) {
    v.reason = e.what();
  }
  strangers_.erase(v.ticket);
  if (v.proved) {
    admission_.on_proved(v.ticket, now());
    v.proved->address = v.address.to_string() + ":" + std::to_string(peer.port());
  } else if (v.reason.empty()) {
    admission_.on_closed(v.ticket, now());
  } else {
    admission_.on_failed(v.ticket, now());
    log_refusal(v);
  }
  co_return std::move(v.proved);
}

net::awaitable<void> door::prove(net::tcp::socket socket, visit& v) {
  const auto& limits = admission_.numbers();
  strangers_[v.ticket] = [&socket] {
    net::error_code ignored;
    socket.close(ignored);
  };
  auto readable = wait_until_readable(socket);
  co_await net::with_deadline(std::move(readable), v.accepted + limits.first_byte);
  check_first_byte(socket);

  auto stream = std::make_unique<net::tls_stream>(std::move(socket), tls_, true);
  strangers_[v.ticket] = [&s = *stream] { s.close(); };
  auto handshake = stream->handshake(limits.bytes_before_login);
  co_await net::with_deadline(std::move(handshake), v.accepted + limits.tls_done);

  auth::server_handshake::parameters p;
  p.id = self_.node;
  p.boot_id = self_.boot;
  p.features = self_.features;
  p.fresh = auth::random_array<32>();
  p.dummy_key = &dummy_key_;
  p.max_frame = wire::max_frame_payload;
  p.draining = draining_;
  auto login = net::admit(*stream, keys_, p, limits.failure_delay);
  auto outcome = co_await net::with_deadline(std::move(login), v.accepted + limits.proved);
  if (!outcome.proved) throw error(errc::refused, outcome.reason);
  v.proved = guest{std::move(stream), std::move(outcome.who), {}, v.ticket};
}

void door::drop(auth::admission::ticket t) {
  const auto at = strangers_.find(t);
  if (at != strangers_.end()) at->second();
}

void door::close() {
  draining_ = true;
  for (const auto& [ticket, close_it] : strangers_) close_it();
}

void door::log_refusal(const visit& v) {
  ++refused_;
  const auto decision = admission_.may_log(v.from, now());
  if (!decision.write) return;
  log::warn("refused",
            {{"address", v.address.to_string()}, {"reason", v.reason}, {"more_since_last_line", decision.swallowed}});
}

}  // namespace pp::ppserver
