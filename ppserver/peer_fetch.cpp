// A node gets content from another one: dial, prove, ask, take the pieces.
#include <algorithm>

#include "base/log.hpp"
#include "code/pieces.hpp"
#include "net/channel.hpp"
#include "net/deadline.hpp"
#include "net/login.hpp"
#include "ppserver/peers.hpp"

namespace pp::ppserver {
namespace {

constexpr std::size_t login_bytes = 16 * 1024;
constexpr duration connect_limit = std::chrono::seconds(3);
/// Keys that were replaced are kept for longer than that (node::forget_keys).
constexpr duration login_limit = std::chrono::seconds(5);
/// A holder that is silent for so long is given up: the client has it too.
constexpr duration silence_limit = std::chrono::seconds(5);
/// Slower than 1 MiB a second on the whole is worse than what most clients can do.
constexpr duration least_time = std::chrono::seconds(15);
duration longest_time(std::uint64_t size) { return least_time + std::chrono::seconds(size >> 20U); }

constexpr std::uint32_t fetch_number = 1;

[[noreturn]] void give_up(const std::string& why) { throw error(errc::bad_message, why); }

net::tcp::endpoint endpoint_of(const wire::holder& h) {
  if (h.family == 6) return {net::ip::address_v6(h.address), h.port};
  net::ip::address_v4::bytes_type v4{};
  std::copy_n(h.address.begin(), v4.size(), v4.begin());
  return {net::ip::address_v4(v4), h.port};
}

/// Feeds what comes to the store.
class content_taker final : public net::channel::handler {
 public:
  explicit content_taker(code::store::incoming& to) : to_(to) {}

  void on_message(const net::message& m) override {
    switch (m.head.type) {
      case wire::message_type::chunk: return on_chunk(m);
      case wire::message_type::unfit: return on_unfit(m);
      default: return;  // nothing that matters here
    }
  }
  bool is_complete() const { return to_.complete(); }
  net::channel* channel = nullptr;  ///< closed when all is there

 private:
  void on_chunk(const net::message& m) {
    const auto piece = wire::decode_chunk(m.view);
    if (!piece || piece->index != fetch_number) give_up("malformed CHUNK");
    const auto raw = unpacker_.unpack(*piece);
    if (!raw || !to_.append(piece->offset, *raw)) give_up("a CHUNK out of order or damaged");
    if (to_.complete()) channel->close();
  }
  static void on_unfit(const net::message& m) {
    const auto why = wire::decode_unfit(m.view);
    give_up(why ? why->reason : "malformed UNFIT");
  }

  code::store::incoming& to_;
  code::piece_unpacker unpacker_;
};

net::awaitable<void> watch(const net::channel& from, time_point end) {
  for (;;) {
    const auto when = std::min(end, from.last_received() + silence_limit);
    if (now() >= when) throw net::system_error(net::asio::error::timed_out);
    co_await net::sleep_until(when);
  }
}

}  // namespace

/// Counts a fetch that is under way, and tells those that wait when it ends.
class peers::place_in_row {
 public:
  explicit place_in_row(peers& of) : of_(of) { ++of_.fetching_; }
  place_in_row(const place_in_row&) = delete;
  place_in_row& operator=(const place_in_row&) = delete;
  ~place_in_row() {
    --of_.fetching_;
    of_.fetch_ended_.cancel();
  }

 private:
  peers& of_;
};

net::awaitable<bool> peers::fetch(order what) {
  if (!is_on_) co_return false;
  while (fetching_ >= most_fetched) {
    net::error_code woken;
    co_await fetch_ended_.async_wait(net::redirect_error(net::use_awaitable, woken));
  }
  const place_in_row here(*this);
  for (const auto& from : what.from) {
    if (from.node == self_) continue;
    std::string problem;
    try {
      co_await fetch_one(what, from);
    } catch (const std::exception& e) {
      problem = e.what();
    }
    if (problem.empty()) co_return true;
    log::info("not_fetched", {{"node", to_hex(from.node)}, {"reason", problem}});
  }
  ++numbers_.fetches_failed;
  co_return false;
}

net::awaitable<void> peers::fetch_one(const order& what, const wire::holder& from) {
  auto connecting = connect(what, from);
  auto stream = co_await net::with_deadline(std::move(connecting), now() + login_limit);
  const auto incoming = store_.receive(what.content, what.size, what.where);
  net::channel channel(std::move(stream));
  content_taker taker(*incoming);
  taker.channel = &channel;
  bytes ask;
  wire::encode_fetch({fetch_number, what.content}, ask);
  channel.send(wire::message_type::fetch, 0, 0, ask);
  try {
    co_await net::until_either_fails(channel.run(taker), watch(channel, now() + longest_time(what.size)));
  } catch (const net::system_error&) {
    if (!taker.is_complete()) throw;  // else that was how we ended it
  }
  if (const auto failure = incoming->finish()) give_up("what came could not be kept: " + failure.message());
  ++numbers_.fetched;
  numbers_.fetched_bytes += what.size;
}

net::awaitable<std::unique_ptr<net::tls_stream>> peers::connect(const order& what, const wire::holder& to) {
  const auto* const key = keys_.find(what.key);
  if (key == nullptr) give_up("the client's key was taken away");
  net::tcp::socket socket(executor_);
  const auto endpoint = endpoint_of(to);
  auto connected = socket.async_connect(endpoint, net::use_awaitable);
  co_await net::with_deadline(std::move(connected), now() + connect_limit);
  auto stream = std::make_unique<net::tls_stream>(std::move(socket), tls_, false);
  co_await stream->handshake(login_bytes);
  auth::client_handshake::parameters p;
  p.client_id = self_;
  p.as = auth::role::peer;
  p.expected_node = to.node;
  p.fresh = auth::random_array<32>();
  p.with = key;
  co_await net::log_in(*stream, keys_, p);
  co_return std::move(stream);
}

}  // namespace pp::ppserver
