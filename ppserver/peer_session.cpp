#include "ppserver/peer_session.hpp"

#include <unistd.h>

#include <cerrno>

#include "base/log.hpp"
#include "code/pieces.hpp"
#include "net/deadline.hpp"

namespace pp::ppserver {
namespace {

using wire::message_type;

constexpr auto patience = std::chrono::seconds(10);
constexpr auto peer_farewell = std::chrono::seconds(2);

/// What is there of `to.size()` bytes at `offset`; 0 at the end, or where it cannot be read.
std::size_t read_at(int file, std::uint64_t offset, mutable_byte_view to) {
  ssize_t got = 0;
  do {
    got = ::pread(file, to.data(), to.size(), static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

}  // namespace

peer_session::peer_session(peers& of, std::unique_ptr<net::byte_stream> stream, auth::proved_client who,
                           std::string address)
    : of_(of),
      who_(std::move(who)),
      address_(std::move(address)),
      channel_(std::move(stream)),
      changed_(of.executor_, time_point::max()) {}

net::awaitable<void> peer_session::run() {
  std::string reason;
  try {
    co_await net::until_either_fails(channel_.run(*this), answer());
  } catch (const std::exception& e) {
    reason = e.what();
  }
  channel_.close();
  log::debug("peer_out", {{"address", address_},
                          {"key", who_.key_name},
                          {"node", to_hex(who_.id)},
                          {"bytes", given_},
                          {"reason", refusal_.empty() ? reason : refusal_}});
}

void peer_session::on_message(const net::message& m) {
  if (!refusal_.empty()) return;
  switch (m.head.type) {
    case message_type::ping:
      if (!channel_.is_full())
        channel_.send(message_type::pong, 0, 0, m.view.first(std::min<std::size_t>(8, m.view.size())));
      return;
    case message_type::goodbye: channel_.close(); return;
    case message_type::fetch: {
      const auto order = wire::decode_fetch(m.view);
      if (order && !order_)
        order_ = *order;
      else
        refusal_ = order ? "a second FETCH" : "malformed FETCH";
      break;
    }
    default: refusal_ = "another node may only ask for content"; break;
  }
  changed_.cancel();
}

// Not more than one answer: a node that wants more comes again, and so cannot keep others waiting.
net::awaitable<void> peer_session::answer() {
  const auto limit = now() + patience;
  while (!order_ && refusal_.empty()) co_await wait_for_change(limit);
  if (refusal_.empty()) {
    const wire::fetch order = *order_;
    co_await give(order);
  }
  co_await say_the_last();
  throw net::system_error(net::operation_aborted);
}

net::awaitable<void> peer_session::wait_for_change(time_point limit) {
  changed_.expires_at(limit);
  net::error_code woken;
  co_await changed_.async_wait(net::redirect_error(net::use_awaitable, woken));
  if (channel_.is_closed()) throw net::system_error(net::operation_aborted);
  if (!woken) throw net::system_error(net::asio::error::timed_out);
}

std::string peer_session::why_not(const wire::fetch& order) const {
  if (!of_.is_on()) return "this node gives nothing to others";
  if (of_.giving_ >= peers::most_given) return "this node is busy";
  return of_.is_owner(order.content, who_.with) ? "" : "this node has no such content for this key";
}

void peer_session::refuse(const wire::fetch& order, const std::string& reason) {
  ++of_.numbers_.refused;
  bytes payload;
  wire::encode_unfit({order.number, reason}, payload);
  channel_.send(message_type::unfit, 0, 0, payload);
}

net::awaitable<void> peer_session::give(wire::fetch order) {
  const auto problem = why_not(order);
  if (!problem.empty()) {
    refuse(order, problem);
    co_return;
  }
  const auto file = of_.store_.read(order.content);
  if (!file) {
    refuse(order, "this node has lost that content");
    co_return;
  }
  struct counted {
    unsigned& count;
    explicit counted(unsigned& in) : count(++in) {}
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --count; }
  } one_more(of_.giving_);
  co_await send_pieces(order, file.get());
  ++of_.numbers_.given;
}

net::awaitable<void> peer_session::send_pieces(wire::fetch order, int file) {
  code::piece_packer packer;
  bytes raw(code::piece_packer::most_bytes), payload;
  for (;;) {
    const auto limit = now() + patience;
    while (channel_.is_full() && refusal_.empty()) co_await wait_for_change(limit);
    const std::size_t got = read_at(file, given_, raw);
    if (got == 0 || !refusal_.empty()) co_return;
    payload.clear();
    wire::encode_chunk(packer.pack(order.number, 0, given_, byte_view(raw).first(got)), payload);
    channel_.send(message_type::chunk, 0, 0, byte_view(payload));
    given_ += got;
    of_.numbers_.given_bytes += got;
  }
}

net::awaitable<void> peer_session::say_the_last() {
  if (!refusal_.empty()) {
    bytes payload;
    wire::encode_goodbye({static_cast<std::uint16_t>(errc::bad_message), 0, refusal_}, payload);
    channel_.send(message_type::goodbye, 0, 0, payload);
  }
  auto sent = channel_.flush();
  co_await net::with_deadline(std::move(sent), now() + patience);
  channel_.finish_writing();
  co_await net::sleep_for(peer_farewell);  // it closes when it has read that, which ends this
}

}  // namespace pp::ppserver
