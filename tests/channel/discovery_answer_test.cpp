// What a node answers, whom, and how often; and the life of announcer and browser.
#include "tests/support/discovery_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/deadline.hpp"
#include "pp/error.hpp"

namespace pp::discovery::test {
namespace {

using testing::HasSubstr;
using wire::announce_type;

announcer& silent_node(lab& l) {
  auto o = l.node_options();
  o.at_start.clear();
  o.interval = 1h;
  return l.start_node(o);
}

TEST(DiscoveryAnswer, IsAsLongAsTheQuestionAndEchoesItsNonce) {
  lab l;
  silent_node(l);
  bare_socket client(l.io, 0);
  const auto query = spoken(announce_type::query, 1);
  const auto sealed = auth::seal_announce(query, l.keys.proving());
  client.send_to_loopback(sealed, l.port);
  std::optional<bytes> answer;
  ASSERT_TRUE(l.wait_for([&] { return (answer = client.receive()).has_value(); }));
  EXPECT_EQ(answer->size(), sealed.size());
  EXPECT_EQ(client.from.port(), l.port);
  auto fault = auth::datagram_fault::none;
  const auto m = auth::open_announce(*answer, l.keys, fault);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->type, announce_type::reply);
  EXPECT_EQ(m->nonce, query.nonce);
  EXPECT_EQ(m->tcp_port, 41001);
  ASSERT_FALSE(m->addresses.empty());
  EXPECT_EQ(m->addresses[0].family, 4);
  EXPECT_EQ(m->addresses[0].bytes[0], 127);
}

TEST(DiscoveryAnswer, TheUnauthenticatedGetNothing) {
  lab l;
  auto& n = silent_node(l);
  bare_socket stranger(l.io, 0);
  const auto other = ring({2});
  auto forged = auth::seal_announce(spoken(announce_type::query, 1), l.keys.proving());
  forged.back() ^= 1U;
  stranger.send_to_loopback(forged, l.port);
  stranger.send_to_loopback(auth::seal_announce(spoken(announce_type::query, 1), other.proving()), l.port);
  stranger.send_to_loopback(bytes(256, 0), l.port);
  stranger.send_to_loopback(bytes(1, 0), l.port);
  const auto& seen = n.seen();
  ASSERT_TRUE(l.wait_for([&] { return seen.malformed == 2 && seen.other_key == 1 && seen.wrong_mac == 1; }));
  EXPECT_EQ(n.seen().answered, 0U);
  EXPECT_FALSE(stranger.receive());
}

TEST(DiscoveryAnswer, OnlyQuestionsAreAnswered) {
  lab l;
  auto& n = silent_node(l);
  bare_socket peer(l.io, 0);
  for (const auto type : {announce_type::announce, announce_type::reply, announce_type::goodbye}) {
    peer.send_to_loopback(auth::seal_announce(spoken(type, 1), l.keys.proving()), l.port);
  }
  peer.send_to_loopback(auth::seal_announce(spoken(announce_type::query, 1), l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return n.seen().queries == 1; }));
  EXPECT_EQ(n.seen().answered, 1U);
}

TEST(DiscoveryAnswer, ARecordedOrOldQuestionIsNotAnswered) {
  lab l;
  auto& n = silent_node(l);
  bare_socket attacker(l.io, 0);
  auto query = spoken(announce_type::query, 1);
  const auto sealed = auth::seal_announce(query, l.keys.proving());
  attacker.send_to_loopback(sealed, l.port);
  attacker.send_to_loopback(sealed, l.port);
  auto old = spoken(announce_type::query, 2);
  old.unix_ms -= 121'000;
  attacker.send_to_loopback(auth::seal_announce(old, l.keys.proving()), l.port);
  query.seq = 3;  // the same nonce again, by somebody who holds the key
  attacker.send_to_loopback(auth::seal_announce(query, l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return n.seen().stale == 2 && n.seen().limited == 1; }));
  EXPECT_EQ(n.seen().answered, 1U);
}

TEST(DiscoveryAnswer, ComesAtMostTwentyTimesPerSecondToOneSource) {
  lab l;
  auto& n = silent_node(l);
  bare_socket client(l.io, 0);
  const auto begin = now();
  for (std::uint64_t seq = 1; seq <= 200; ++seq) {
    client.send_to_loopback(auth::seal_announce(spoken(announce_type::query, seq), l.keys.proving()), l.port);
    ASSERT_TRUE(l.wait_for([&] { return n.seen().queries == seq; }));
  }
  const auto seconds = static_cast<std::uint64_t>((now() - begin) / 1s) + 1;
  EXPECT_GE(n.seen().answered, 20U);
  EXPECT_LE(n.seen().answered, 20 * seconds);
  EXPECT_EQ(n.seen().limited, 200 - n.seen().answered);
}

TEST(DiscoveryAnswer, ComesAtMostAHundredTimesPerSecondInAll) {
  lab l;
  auto& n = silent_node(l);
  std::vector<std::unique_ptr<bare_socket>> clients;
  for (std::uint32_t i = 0; i < 10; ++i) {
    auto socket = std::make_unique<bare_socket>(l.io, 0);
    // Each from its own address of 127.0.0.0/8.
    socket->native() = net::udp::socket(l.io, {net::ip::address_v4(0x7f000100U + i), 0});
    clients.push_back(std::move(socket));
  }
  const auto begin = now();
  for (std::uint64_t seq = 1; seq <= 300; ++seq) {
    clients[seq % clients.size()]->send_to_loopback(
        auth::seal_announce(spoken(announce_type::query, seq), l.keys.proving()), l.port);
    ASSERT_TRUE(l.wait_for([&] { return n.seen().queries == seq; }));
  }
  const auto seconds = static_cast<std::uint64_t>((now() - begin) / 1s) + 1;
  EXPECT_GE(n.seen().answered, 100U);
  EXPECT_LE(n.seen().answered, 100 * seconds);
}

TEST(DiscoveryAnswer, TellsTheAddressThatWasSelected) {
  lab l("127.0.0.42");
  silent_node(l);
  auto o = l.browser_options();
  o.where = select_interfaces("lo");
  auto& b = l.start_browser(o);
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  ASSERT_EQ(b.nodes().nodes()[0].endpoints.size(), 1U);
  EXPECT_EQ(b.nodes().nodes()[0].endpoints[0].text(), "127.0.0.42:41001");
}

TEST(DiscoveryAnnouncer, RefusesATakenPortInOneLineThatSaysWhatToDo) {
  lab l;
  bare_socket other(l.io, l.port, false);
  try {
    l.start_node(l.node_options());
    FAIL() << "the port was taken";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    EXPECT_THAT(e.what(), HasSubstr("cannot use UDP port " + std::to_string(l.port) + " for discovery: "));
    EXPECT_THAT(e.what(), HasSubstr("--discovery-port or PP_DISCOVERY_PORT"));
  }
}

TEST(DiscoveryAnnouncer, SaysHereThreeTimesAtTheStart) {
  lab l;
  bare_socket ear(l.io, l.port);
  auto o = l.node_options();
  o.interval = 1h;
  l.start_node(o);
  std::vector<wire::announce> heard;
  ASSERT_TRUE(l.wait_for([&] {
    auto fault = auth::datagram_fault::none;
    if (const auto got = ear.receive()) heard.push_back(auth::open_announce(*got, l.keys, fault).value());
    return heard.size() == 3;
  }));
  for (const auto& m : heard) {
    EXPECT_EQ(m.type, announce_type::announce);
    EXPECT_EQ(m.name, "node1");
    EXPECT_EQ(m.nonce, nonce{});
  }
  EXPECT_LT(heard[0].seq, heard[1].seq);
  EXPECT_LT(heard[1].seq, heard[2].seq);
}

TEST(DiscoveryAnnouncer, CutsALongName) {
  lab l;
  auto o = l.node_options();
  o.name = std::string(100, 'x');
  l.start_node(o);
  auto& b = l.start_browser(l.browser_options());
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  EXPECT_EQ(b.nodes().nodes()[0].name, std::string(30, 'x'));
}

net::awaitable<void> run_then_note(announcer& a, int& ended) {
  co_await a.run();
  ++ended;
}
net::awaitable<void> close_then_note(announcer& a, int& ended) {
  co_await a.close();
  ++ended;
}

TEST(DiscoveryLife, RunEndsWithClose) {
  lab l;
  int ended = 0;
  announcer a(l.io.get_executor(), l.node_options(), l.keys, [] { return node_state{}; });
  net::asio::co_spawn(l.io, run_then_note(a, ended), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  ASSERT_TRUE(l.wait_for([&] { return a.seen().announced >= 1; }));
  net::asio::co_spawn(l.io, close_then_note(a, ended), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  EXPECT_TRUE(l.wait_for([&] { return ended == 2; }));
}

TEST(DiscoveryLife, RunAfterCloseEndsAtOnce) {
  lab l;
  int ended = 0;
  announcer a(l.io.get_executor(), l.node_options(), l.keys, [] { return node_state{}; });
  net::asio::co_spawn(l.io, close_then_note(a, ended), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  ASSERT_TRUE(l.wait_for([&] { return ended == 1; }));
  net::asio::co_spawn(l.io, run_then_note(a, ended), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  EXPECT_TRUE(l.wait_for([&] { return ended == 2; }));
  EXPECT_EQ(a.seen().announced, 0U);
}

TEST(DiscoveryLife, ACancelledRunStopsSpeaking) {
  lab l;
  int ended = 0, closed = 0;
  auto o = l.node_options();
  o.interval = 10ms;
  announcer a(l.io.get_executor(), o, l.keys, [] { return node_state{}; });
  net::task_group owner(l.io.get_executor());
  owner.spawn("announcer", run_then_note(a, ended));
  ASSERT_TRUE(l.wait_for([&] { return a.seen().announced >= 5; }));
  owner.cancel();
  ASSERT_TRUE(l.wait_for([&] { return owner.size() == 0; }));
  net::asio::co_spawn(l.io, close_then_note(a, closed), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  EXPECT_TRUE(l.wait_for([&] { return closed == 1; }));
}

TEST(DiscoveryLife, DestructionRightAfterCloseIsSafe) {
  lab l;
  int ended = 0;
  auto a = std::make_unique<announcer>(l.io.get_executor(), l.node_options(), l.keys, [] { return node_state{}; });
  auto b = std::make_unique<browser>(l.io.get_executor(), l.browser_options(), l.keys);
  net::asio::co_spawn(l.io, a->run(), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  net::asio::co_spawn(l.io, b->run(), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  ASSERT_TRUE(l.wait_for([&] { return b->nodes().size() == 1; }));
  net::asio::co_spawn(l.io, a->close(), [&](std::exception_ptr) {
    a.reset();
    ++ended;
  });
  net::asio::co_spawn(l.io, b->close(), [&](std::exception_ptr) {
    b.reset();
    ++ended;
  });
  EXPECT_TRUE(l.wait_for([&] { return ended == 2; }));
}

}  // namespace
}  // namespace pp::discovery::test
