// Others on the wire: a relay that ends TLS and starts its own, a node without the key, a server that echoes.
#include <deque>
#include <functional>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/deadline.hpp"
#include "net/tls.hpp"
#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }

/// A TLS server on loopback in a thread of its own; what it does with a connection is the test's choice.
class tls_server {
 public:
  using behaviour = std::function<net::awaitable<void>(net::tls_stream&)>;

  explicit tls_server(behaviour what)
      : what_(std::move(what)),
        context_(net::tls_context::server()),
        acceptor_(io_, net::tcp::endpoint(net::ip::address_v4::loopback(), 0)) {
    net::asio::co_spawn(io_, accept_all(), [](const std::exception_ptr&) {});
    thread_ = std::thread([this] { io_.run(); });
  }
  tls_server(const tls_server&) = delete;
  tls_server& operator=(const tls_server&) = delete;
  ~tls_server() {
    io_.stop();
    thread_.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  unsigned connections() const { return connections_; }
  net::io_context& io() { return io_; }

 private:
  net::awaitable<void> accept_all() {
    for (;;) {
      auto socket = co_await acceptor_.async_accept(net::use_awaitable);
      ++connections_;
      net::asio::co_spawn(io_, serve(std::move(socket)), [](const std::exception_ptr&) {});
    }
  }
  net::awaitable<void> serve(net::tcp::socket socket) {
    net::tls_stream stream(std::move(socket), context_, true);
    co_await stream.handshake(1 << 20U);
    co_await what_(stream);
  }

  behaviour what_;
  net::tls_context context_;
  net::io_context io_{1};
  net::tcp::acceptor acceptor_;
  std::atomic<unsigned> connections_{0};
  std::thread thread_;
};

net::awaitable<void> pump(net::byte_stream& from, net::byte_stream& to, std::atomic<std::uint64_t>& passed) {
  bytes buffer(16 * 1024);
  for (;;) {
    const mutable_byte_view room(buffer);
    const std::size_t got = co_await from.read_some(room);
    passed += got;
    const byte_view part(buffer.data(), got), nothing;
    co_await to.write(part, nothing);
  }
}

net::awaitable<void> echo(net::tls_stream& stream) {
  std::atomic<std::uint64_t> ignored{0};
  co_await pump(stream, stream, ignored);
}

// Says something of the right size at each step, made of random bytes behind a correct header.
net::awaitable<void> pretend(net::tls_stream& stream) {
  bytes hello(104);
  const mutable_byte_view all(hello);
  co_await stream.read_exactly(all);
  std::mt19937 random(1);
  bytes answer{'P', 'P', 'A', '1', 2, 0, 0, 96, 1, 1, 1, 0, 0, 0, 0, 0};
  while (answer.size() < 104 - 24) answer.push_back(static_cast<std::uint8_t>(random()));
  answer.resize(104);
  const byte_view answer_view(answer), nothing;
  co_await stream.write(answer_view, nothing);
  bytes proof(40);
  const mutable_byte_view proof_room(proof);
  co_await stream.read_exactly(proof_room);
  proof[4] = 4;
  const byte_view proof_view(proof);
  co_await stream.write(proof_view, nothing);
  co_await echo(stream);
}

pp::options options_for(const cluster& c, const std::string& address) {
  auto options = c.client_options();
  options.discovery = false;
  options.nodes = {address};
  options.no_nodes_timeout = 4s;
  return options;
}

/// A job whose only way is the impostor must fail, and nothing of the program may have gone out.
void expect_refusal(pp::client& client) {
  auto job = client.submit(twice, 1);
  EXPECT_TRUE(wait_until([&] { return !client.nodes().empty() && !client.nodes()[0].reason.empty(); }));
  EXPECT_THAT(client.nodes()[0].state, ::testing::AnyOf("refused", "lost"));
  EXPECT_THROW(job.get(), pp::error);
  EXPECT_EQ(client.stats().code_bytes_sent, 0U);
  EXPECT_EQ(client.stats().done, 0U);
}

TEST(Impostor, ARelayThatEndsTlsIsRefusedByBothSides) {
  const cluster c;
  const auto n = c.start_node();
  const auto to_node = net::tls_context::client();
  std::atomic<std::uint64_t> to{0}, back{0};
  const net::tcp::endpoint target(net::ip::address_v4::loopback(), n->port());
  tls_server relay([&](net::tls_stream& client_side) -> net::awaitable<void> {
    net::tcp::socket socket(co_await net::this_coro::executor);
    co_await socket.async_connect(target, net::use_awaitable);
    net::tls_stream node_side(std::move(socket), to_node, false);
    co_await node_side.handshake(1 << 20U);
    co_await net::until_either_fails(pump(client_side, node_side, to), pump(node_side, client_side, back));
  });
  pp::client client(options_for(c, relay.address()));
  expect_refusal(client);
  EXPECT_GT(relay.connections(), 0U);
  EXPECT_GT(to, 0U) << "the relay did pass on the login";
  EXPECT_THAT(n->log(), Not(HasSubstr("client_in")));
}

TEST(Impostor, AServerThatEchoesIsRefused) {
  const cluster c;
  tls_server server(echo);
  pp::client client(options_for(c, server.address()));
  expect_refusal(client);
}

TEST(Impostor, ANodeWithoutTheKeyIsRefused) {
  const cluster c;
  tls_server server(pretend);
  pp::client client(options_for(c, server.address()));
  expect_refusal(client);
}

TEST(Impostor, ARealNodeIsUsedBesideAnImpostor) {
  const cluster c;
  const auto n = c.start_node("node-a");
  tls_server server(pretend);
  auto options = options_for(c, server.address());
  options.nodes.push_back(n->address());
  pp::client client(options);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
}

}  // namespace
}  // namespace pp::test
