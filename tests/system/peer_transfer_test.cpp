// Nodes that fetch a program from each other: once from the client, whatever becomes of a holder, and nothing for strangers.
// The program that travels is this test program, which has several MiB.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "net/channel.hpp"
#include "net/deadline.hpp"
#include "net/login.hpp"
#include "net/tls.hpp"
#include "tests/support/channel_rig.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/relay.hpp"
#include "wire/message.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }

/// Less than any program has: what a node got that did not get this one from the client.
constexpr std::uint64_t next_to_nothing = 64 * 1024;

nlohmann::json peers_of(pp::client& client, const std::string& node) {
  return nlohmann::json::parse(client.node_stats(node, generous))["peers"];
}
std::uint64_t sent_to(pp::client& client, const std::string& node) { return find_node(client, node).code_bytes_sent; }

void run_on(pp::client& client, const std::string& node) {
  EXPECT_EQ(client.submit({.node = node}, twice, 21).get(), 42) << node;
}

/// The largest file of the node's cache, which is this program.
std::filesystem::path program_file(const node& n) {
  std::filesystem::path largest;
  for (const auto& e : std::filesystem::directory_iterator(n.cache_directory() / "pp")) {
    if (e.is_regular_file() && (largest.empty() || e.file_size() > std::filesystem::file_size(largest))) largest = e;
  }
  return largest;
}

std::unique_ptr<node> start_with(const cluster& c, const std::string& name, std::vector<std::string> extra) {
  node::parameters p;
  p.name = name;
  p.workers = 1;
  p.extra = std::move(extra);
  return c.start_node(p);
}

TEST(PeerTransfer, ThreeNodesGetAProgramOnceFromTheClient) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1), d = c.start_node("node-c", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 3));
  const std::vector<std::string> names{"node-a", "node-b", "node-c"};
  std::vector<pp::future<int>> jobs;
  for (const auto& name : names) jobs.push_back(client.submit({.node = name}, twice, 21));
  for (auto& job : jobs) EXPECT_EQ(job.get(), 42);
  int from_client = 0, fetched = 0, given = 0;
  std::uint64_t fetched_bytes = 0, given_bytes = 0;
  for (const auto& name : names) {
    from_client += sent_to(client, name) > next_to_nothing ? 1 : 0;
    const auto numbers = peers_of(client, name);
    fetched += numbers["fetched"].get<int>();
    fetched_bytes += numbers["fetched_bytes"].get<std::uint64_t>();
    given_bytes += numbers["given_bytes"].get<std::uint64_t>();
    EXPECT_EQ(numbers["fetches_failed"], 0) << name;
    given += numbers["given"].get<int>();
  }
  EXPECT_EQ(from_client, 1);
  EXPECT_EQ(fetched, 2);
  EXPECT_EQ(given, 2);
  EXPECT_EQ(fetched_bytes, given_bytes);
  EXPECT_EQ(fetched_bytes, 2 * std::filesystem::file_size(program_file(*a)));
}

TEST(PeerTransfer, ANodeThatComesLaterFetchesToo) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  run_on(client, "node-a");
  const auto b = c.start_node("node-b", 1);
  run_on(client, "node-b");
  EXPECT_LT(sent_to(client, "node-b"), next_to_nothing);
  // The same again for another client: both had the program before, and say so.
  pp::client other(c.client_options());
  const auto d = c.start_node("node-c", 1);
  run_on(other, "node-a");
  run_on(other, "node-c");
  EXPECT_LT(other.stats().code_bytes_sent, next_to_nothing);
}

TEST(PeerTransfer, AHolderThatDiesInTheMiddleIsReplacedByTheClient) {
  const cluster c;
  const auto a = start_with(c, "node-a", {"--no-discovery"});
  relay between(a->port());
  auto options = c.client_options();
  options.nodes = {between.address()};
  pp::client client(options);
  run_on(client, "node-a");
  // What node-b fetches comes through the relay as well, which ends it after a part.
  between.cut_at(relay::direction::to_client, between.bytes(relay::direction::to_client) + 600'000);
  const auto b = c.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(client, 2));
  auto job = client.submit({.node = "node-b"}, twice, 4);
  EXPECT_TRUE(wait_until([&] { return b->log().find("not_fetched") != std::string::npos; })) << b->log();
  a->kill();
  EXPECT_EQ(job.get(), 8);
  EXPECT_GT(sent_to(client, "node-b"), next_to_nothing);
  EXPECT_EQ(peers_of(client, "node-b")["fetches_failed"], 1);
  EXPECT_EQ(peers_of(client, "node-b")["fetched"], 0);
}

TEST(PeerTransfer, ADamagedFileOfAHolderIsNoticedAndTheClientSends) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  run_on(client, "node-a");
  const auto file = program_file(*a);
  auto content = read_file(file);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  std::filesystem::remove(file);
  write_file(file, content, 0400);
  const auto b = c.start_node("node-b", 1);
  run_on(client, "node-b");
  EXPECT_GT(sent_to(client, "node-b"), next_to_nothing);
  EXPECT_EQ(peers_of(client, "node-b")["fetches_failed"], 1);
  EXPECT_EQ(peers_of(client, "node-b")["fetched"], 0);
  // node-b has the right one now, and gives it.
  const auto d = c.start_node("node-c", 1);
  run_on(client, "node-c");
  EXPECT_LT(sent_to(client, "node-c"), next_to_nothing);
}

TEST(PeerTransfer, ANodeThatTakesNoPartGetsItFromTheClientAndGivesNothing) {
  const cluster c;
  const auto a = start_with(c, "node-a", {"--no-peer-transfer"});
  const auto b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  run_on(client, "node-a");
  run_on(client, "node-b");
  EXPECT_GT(sent_to(client, "node-a"), next_to_nothing);
  EXPECT_GT(sent_to(client, "node-b"), next_to_nothing);
  const auto d = start_with(c, "node-c", {"--no-peer-transfer"});
  run_on(client, "node-c");
  EXPECT_GT(sent_to(client, "node-c"), next_to_nothing) << "node-b has it, but this one does not ask";
}

TEST(PeerTransfer, AClientMaySendToEveryNodeItself) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  auto options = c.client_options();
  options.peer_transfer = false;
  pp::client client(options);
  run_on(client, "node-a");
  run_on(client, "node-b");
  EXPECT_GT(sent_to(client, "node-a"), next_to_nothing);
  EXPECT_GT(sent_to(client, "node-b"), next_to_nothing);
  EXPECT_EQ(peers_of(client, "node-b")["fetched"], 0);
}

// --- what a peer may do ----------------------------------------------------------------------------------------------

/// Sends one message as a node with the key of this keyring file would, and gives all that comes back until the end.
std::vector<received> answer_to(const node& n, const std::filesystem::path& keyring, wire::message_type type,
                                const bytes& payload) {
  net::io_context io;
  const auto tls = net::tls_context::client();
  auth::key_source source;
  source.file = keyring.string();
  const auto keys = auth::load_keyring(source);
  collecting_handler seen;
  const auto talk = [&]() -> net::awaitable<void> {
    net::tcp::socket socket(co_await net::this_coro::executor);
    const net::tcp::endpoint to(net::ip::address_v4::loopback(), n.port());
    co_await socket.async_connect(to, net::use_awaitable);
    auto stream = std::make_unique<net::tls_stream>(std::move(socket), tls, false);
    co_await stream->handshake(16 * 1024);
    auth::client_handshake::parameters p;
    p.client_id = auth::random_array<16>();
    p.as = auth::role::peer;
    p.fresh = auth::random_array<32>();
    co_await net::log_in(*stream, keys.keys, p);
    net::channel channel(std::move(stream));
    channel.send(type, 1, 1, byte_view(payload));
    co_await channel.run(seen);
  };
  bool ended = false;
  net::asio::co_spawn(io, talk(), [&](const std::exception_ptr&) { ended = true; });
  io.run_for(generous);
  EXPECT_TRUE(ended) << "the node did not end the connection";
  return seen.messages;
}

class PeerRole : public ::testing::Test {
 protected:
  PeerRole() {
    // The node knows two keys; the client has the first, the stranger to its content the second.
    const auto second = new_keyring_line("second");
    write_file(other_, second);
    write_file(cluster_.keyring(), read_file(cluster_.keyring()) + "\n" + second);
    node_ = cluster_.start_node("node-a", 1);
    pp::client client(cluster_.client_options());
    run_on(client, "node-a");
  }
  bytes ask_for_the_program() const {
    wire::fetch order;
    order.number = 7;
    const auto raw = from_hex(program_file(*node_).filename().string());
    std::copy(raw.begin(), raw.end(), order.content.begin());
    bytes payload;
    wire::encode_fetch(order, payload);
    return payload;
  }
  temporary_directory mine_;
  std::filesystem::path other_ = mine_ / "other";
  cluster cluster_;
  std::unique_ptr<node> node_;
};

TEST_F(PeerRole, GetsTheContentOfItsKey) {
  const auto got = answer_to(*node_, cluster_.keyring(), wire::message_type::fetch, ask_for_the_program());
  std::uint64_t raw = 0;
  for (const auto& m : got) {
    const auto piece = wire::decode_chunk(m.payload);
    ASSERT_TRUE(piece.has_value());
    EXPECT_EQ(piece->index, 7U);
    raw += piece->raw_length;
  }
  EXPECT_EQ(raw, std::filesystem::file_size(program_file(*node_)));
}

TEST_F(PeerRole, GetsNothingOfAnotherKey) {
  const auto got = answer_to(*node_, other_, wire::message_type::fetch, ask_for_the_program());
  ASSERT_EQ(got.size(), 1U);
  ASSERT_EQ(got[0].head.type, wire::message_type::unfit);
  const auto answer = wire::decode_unfit(got[0].payload);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->index, 7U);
  EXPECT_THAT(answer->reason, HasSubstr("no such content for this key"));
}

TEST_F(PeerRole, CannotSubmitAnnounceOrDrain) {
  for (const auto type : {wire::message_type::submit, wire::message_type::image, wire::message_type::chunk,
                          wire::message_type::drain, wire::message_type::stats_query}) {
    const auto got = answer_to(*node_, cluster_.keyring(), type, bytes(48));
    ASSERT_EQ(got.size(), 1U) << static_cast<int>(type);
    const auto bye = wire::decode_goodbye(got[0].payload);
    ASSERT_TRUE(bye.has_value());
    EXPECT_THAT(bye->text, HasSubstr("may only ask for content"));
  }
}

}  // namespace
}  // namespace pp::test
