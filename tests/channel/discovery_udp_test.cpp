// Announcer and browser over real UDP on loopback: they find each other, and nothing else gets through.
#include "tests/support/discovery_lab.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/deadline.hpp"
#include "pp/error.hpp"

namespace pp::discovery::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using wire::announce_type;

constexpr duration never = 1h;

wire::announce::address v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) { return {4, {a, b, c, d}}; }

/// Only asks, or only listens.
browser::options asking(const lab& l) {
  auto o = l.browser_options();
  o.interval = 200ms;
  return o;
}
browser::options listening(const lab& l) {
  auto o = l.browser_options();
  o.at_start.clear();
  o.interval = never;
  return o;
}
announcer::options quiet(const lab& l, std::uint8_t id = 1) {
  auto o = l.node_options(id);
  o.at_start.clear();
  o.interval = never;
  return o;
}
announcer::options talking(const lab& l, std::uint8_t id = 1) {
  auto o = l.node_options(id);
  o.interval = 100ms;
  return o;
}

TEST(Discovery, ABrowserThatAsksFindsANodeThatOnlyAnswers) {
  lab l;
  l.start_node(quiet(l));
  auto& b = l.start_browser(asking(l));
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  const auto node = b.nodes().nodes().at(0);
  EXPECT_EQ(node.name, "node1");
  EXPECT_EQ(node.slots, 4);
  EXPECT_EQ(node.free, 3);
  EXPECT_EQ(node.load_milli, 250U);
  EXPECT_TRUE(node.same_host);
  EXPECT_EQ(node.endpoints.at(0).text(), "127.0.0.1:41001");
  EXPECT_EQ(to_tcp(node.endpoints[0]).port(), 41001);
  EXPECT_LT(std::abs(node.clock_offset_ms), 60'000);
  EXPECT_EQ(l.told(change_kind::appeared), 1U);
}

TEST(Discovery, ABrowserThatOnlyListensFindsANodeThatAnnouncesItself) {
  lab l;
  auto& b = l.start_browser(listening(l));
  auto& n = l.start_node(talking(l));
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  EXPECT_EQ(n.seen().queries, 0U);
  EXPECT_EQ(b.what_happened().interfaces.at(0).queries, 0U);
}

TEST(Discovery, SeveralNodesAndClientsOfOneMachineShareThePort) {
  lab l;
  for (std::uint8_t id = 1; id <= 3; ++id) l.start_node(l.node_options(id));
  auto& first = l.start_browser(asking(l));
  auto& second = l.start_browser(listening(l));
  EXPECT_TRUE(l.wait_for([&] { return first.nodes().size() == 3 && second.nodes().size() == 3; }));
}

TEST(Discovery, LoadFollowsTheNode) {
  lab l;
  l.start_node(talking(l));
  auto& b = l.start_browser(listening(l));
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  l.state.free = 0;
  EXPECT_TRUE(l.wait_for([&] { return b.nodes().nodes()[0].free == 0; }));
  l.state.draining = true;
  EXPECT_TRUE(l.wait_for([&] { return l.told(change_kind::draining) == 1; }));
}

TEST(Discovery, AGoodbyeDrainsTheNodeAndSilencesIt) {
  lab l;
  auto& n = l.start_node(talking(l));
  auto& b = l.start_browser(asking(l));
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
  n.goodbye();
  ASSERT_TRUE(l.wait_for([&] { return l.told(change_kind::draining) == 1; }));
  const auto said = n.seen().announced + n.seen().answered;
  n.announce_now();
  n.goodbye();
  b.ask_now();
  const auto asked = b.what_happened().interfaces.at(0).queries;
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().interfaces.at(0).queries >= asked + 3; }));
  EXPECT_EQ(n.seen().announced + n.seen().answered, said);
  EXPECT_TRUE(b.nodes().nodes().at(0).draining);
}

TEST(Discovery, ASilentNodeExpires) {
  lab l;
  bare_socket node(l.io, 0);
  auto o = listening(l);
  o.limits.expiry = 300ms;
  auto& b = l.start_browser(o);
  node.send_to_loopback(auth::seal_announce(spoken(announce_type::announce, 1), l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return l.told(change_kind::appeared) == 1; }));
  ASSERT_TRUE(l.wait_for([&] { return l.told(change_kind::expired) == 1; }));
  EXPECT_TRUE(b.nodes().empty());
}

TEST(Discovery, ANodeWithAnotherKeyIsCountedAndGetsNothing) {
  lab l;
  const auto other = ring({2});
  auto& n = l.start_node(talking(l), other);
  auto& b = l.start_browser(asking(l));
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().other_key >= 3 && n.seen().other_key >= 2; }));
  EXPECT_TRUE(b.nodes().empty());
  EXPECT_EQ(n.seen().queries, 0U);
  EXPECT_EQ(n.seen().answered, 0U);
  const auto r = b.what_happened();
  EXPECT_EQ(r.key_id, l.keys.proving().id_text());
  EXPECT_THAT(r.other_key_ids, testing::Contains(other.proving().id_text()));
  EXPECT_EQ(r.accepted, 0U);
  EXPECT_THAT(r.text(), HasSubstr("asked on: lo (127.255.255.255), UDP port " + std::to_string(l.port)));
}

TEST(Discovery, DuringARotationTheAnswerComesUnderTheKeyOfTheQuestion) {
  lab l;
  const auto rotated = ring({9, 1});
  l.start_node(talking(l), rotated);
  auto& b = l.start_browser(asking(l));
  EXPECT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
}

TEST(Discovery, ANewlyAddedKeyIsUsedAtOnce) {
  lab l;
  auto keys = ring({2});
  l.start_node(quiet(l), keys);
  auto& b = l.start_browser(asking(l));
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().interfaces.at(0).queries > 0; }));
  keys = ring({2, 1});
  EXPECT_TRUE(l.wait_for([&] { return !b.nodes().empty(); }));
}

TEST(Discovery, NoFlippedBitGetsThrough) {
  lab l;
  bare_socket attacker(l.io, 0);
  auto& b = l.start_browser(listening(l));
  const auto genuine = auth::seal_announce(spoken(announce_type::announce, 1), l.keys.proving());
  for (std::size_t bit = 0; bit < genuine.size() * 8; ++bit) {
    auto flipped = genuine;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    attacker.send_to_loopback(flipped, l.port);
    ASSERT_TRUE(l.wait_for([&] { return b.what_happened().received == bit + 1; })) << "bit " << bit;
  }
  const auto r = b.what_happened();
  EXPECT_EQ(r.accepted, 0U);
  EXPECT_EQ(r.wrong_mac + r.other_key + r.malformed, genuine.size() * 8);
  EXPECT_TRUE(b.nodes().empty());
  attacker.send_to_loopback(genuine, l.port);
  EXPECT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; })) << "the untouched one is welcome";
}

TEST(Discovery, ARecordedDatagramIsIgnored) {
  lab l;
  bare_socket attacker(l.io, 0);
  auto& b = l.start_browser(listening(l));
  const auto first = auth::seal_announce(spoken(announce_type::announce, 1), l.keys.proving());
  const auto goodbye = auth::seal_announce(spoken(announce_type::goodbye, 2), l.keys.proving());
  auto restarted = spoken(announce_type::announce, 1);
  restarted.boot_id[0] = 2;
  restarted.unix_ms += 1;
  const auto second = auth::seal_announce(restarted, l.keys.proving());
  for (const auto& d : {first, goodbye, second}) attacker.send_to_loopback(d, l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().accepted == 3; }));
  const auto changes = l.changes.size();
  for (const auto& d : {first, goodbye, second}) attacker.send_to_loopback(d, l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().replayed == 3; }));
  EXPECT_EQ(l.changes.size(), changes);
  EXPECT_FALSE(b.nodes().nodes().at(0).draining) << "the goodbye of the boot before does not drain this one";
}

TEST(Discovery, WhatIsNotADatagramOfOursIsMalformed) {
  lab l;
  bare_socket stranger(l.io, 0);
  auto& b = l.start_browser(listening(l));
  auto& n = l.start_node(quiet(l));
  const auto genuine = auth::seal_announce(spoken(announce_type::announce, 1), l.keys.proving());
  auto longer = genuine;
  longer.push_back(0);
  const bytes shorter(genuine.begin(), genuine.end() - 1);
  const net::ip::address_v4 everybody(0x7fffffff);
  for (const auto& d : {longer, shorter, bytes{}, bytes{'P'}, bytes(1400, 0)}) stranger.send(d, everybody, l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().malformed == 5 && n.seen().malformed == 5; }));
  EXPECT_EQ(b.what_happened().received, 5U);
  EXPECT_EQ(n.seen().answered, 0U);
}

TEST(Discovery, GivesOutOnlyAddressesFromUnderTheMac) {
  lab l;
  bare_socket node(l.io, 0);
  auto& b = l.start_browser(listening(l));
  auto m = spoken(announce_type::announce, 1);
  m.addresses = {v4(10, 1, 2, 3), v4(0, 0, 0, 0), v4(224, 0, 0, 1), v4(127, 0, 0, 1), v4(255, 255, 255, 255)};
  node.send_to_loopback(auth::seal_announce(m, l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
  const auto endpoints = b.nodes().nodes()[0].endpoints;
  ASSERT_EQ(endpoints.size(), 2U);
  EXPECT_EQ(endpoints[0].text(), "127.0.0.1:41077") << "where it came from, first";
  EXPECT_EQ(endpoints[1].text(), "10.1.2.3:41077");
}

TEST(Discovery, ASourceThatIsNotInTheListIsNotGivenOut) {
  lab l;
  bare_socket node(l.io, 0);
  auto& b = l.start_browser(listening(l));
  auto m = spoken(announce_type::announce, 1);
  m.addresses = {v4(10, 1, 2, 3)};
  node.send_to_loopback(auth::seal_announce(m, l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
  ASSERT_EQ(b.nodes().nodes()[0].endpoints.size(), 1U);
  EXPECT_EQ(b.nodes().nodes()[0].endpoints[0].text(), "10.1.2.3:41077");
}

TEST(Discovery, ANodeThatTellsNoAddressIsWhereItsDatagramCameFrom) {
  lab l;
  bare_socket node(l.io, 0);
  auto& b = l.start_browser(listening(l));
  node.send_to_loopback(auth::seal_announce(spoken(announce_type::announce, 1), l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
  EXPECT_EQ(b.nodes().nodes()[0].endpoints.at(0).text(), "127.0.0.1:41077");
}

TEST(Discovery, ANodeWithoutAUsableAddressIsCounted) {
  lab l;
  bare_socket node(l.io, 0);
  auto& b = l.start_browser(listening(l));
  auto m = spoken(announce_type::announce, 1);
  m.addresses = {v4(224, 0, 0, 1)};
  node.send_to_loopback(auth::seal_announce(m, l.keys.proving()), l.port);
  auto without_port = spoken(announce_type::announce, 2);
  without_port.tcp_port = 0;
  node.send_to_loopback(auth::seal_announce(without_port, l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().no_address == 2; }));
  EXPECT_TRUE(b.nodes().empty());
}

/// Waits for the browser's next genuine query.
wire::announce hear_query(lab& l, bare_socket& node) {
  wire::announce query;
  const bool heard = l.wait_for([&] {
    const auto got = node.receive();
    auto fault = auth::datagram_fault::none;
    if (!got) return false;
    const auto m = auth::open_announce(*got, l.keys, fault);
    if (!m || m->type != announce_type::query) return false;
    query = *m;
    return true;
  });
  EXPECT_TRUE(heard);
  return query;
}

TEST(Discovery, ANodeWithAWrongClockIsFoundByItsReplyAndWarnedAbout) {
  lab l;
  bare_socket node(l.io, l.port);
  auto& b = l.start_browser(asking(l));
  auto m = spoken(announce_type::announce, 1);
  m.unix_ms = 0;
  // The browser and this node share the port: a unicast would reach one of them only.
  node.send(auth::seal_announce(m, l.keys.proving()), net::ip::address_v4(0x7fffffff), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().wrong_clock >= 1; }));
  EXPECT_TRUE(b.nodes().empty());
  auto reply = spoken(announce_type::reply, 2);
  reply.unix_ms = 0;
  reply.nonce = hear_query(l, node).nonce;
  node.send(auth::seal_announce(reply, l.keys.proving()), node.from.address().to_v4(), node.from.port());
  ASSERT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
  EXPECT_LT(b.nodes().nodes()[0].clock_offset_ms, -1'000'000);
  EXPECT_THAT(b.what_happened().clock_warnings,
              ElementsAre(HasSubstr("node 'played' (127.0.0.1:41077): its clock is")));
}

TEST(Discovery, AReplyToNoQuestionIsIgnored) {
  lab l;
  bare_socket node(l.io, l.port);
  auto& b = l.start_browser(asking(l));
  hear_query(l, node);
  auto reply = spoken(announce_type::reply, 1);
  reply.nonce[0] = 5;
  node.send(auth::seal_announce(reply, l.keys.proving()), node.from.address().to_v4(), node.from.port());
  ASSERT_TRUE(l.wait_for([&] { return b.what_happened().replayed == 1; }));
  EXPECT_TRUE(b.nodes().empty());
}

TEST(Discovery, ANodeOfAnotherProtocolIsNamedInTheReport) {
  lab l;
  bare_socket node(l.io, 0);
  auto& b = l.start_browser(listening(l));
  auto m = spoken(announce_type::announce, 1);
  m.proto_min = m.proto_max = 200;
  node.send_to_loopback(auth::seal_announce(m, l.keys.proving()), l.port);
  ASSERT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
  EXPECT_THAT(b.what_happened().version_warnings,
              ElementsAre(HasSubstr("node 'played' speaks protocol 200, this program 1")));
}

TEST(Discovery, WithoutTheDiscoveryPortQueriesAloneFindNodes) {
  lab l;
  bare_socket node(l.io, l.port, false);
  auto& b = l.start_browser(asking(l));
  EXPECT_FALSE(b.what_happened().listening);
  EXPECT_THAT(b.what_happened().remarks(), ElementsAre(HasSubstr("announcements are not heard (cannot use UDP port")));
  auto reply = spoken(announce_type::reply, 1);
  reply.nonce = hear_query(l, node).nonce;
  node.send(auth::seal_announce(reply, l.keys.proving()), node.from.address().to_v4(), node.from.port());
  EXPECT_TRUE(l.wait_for([&] { return b.nodes().size() == 1; }));
}

TEST(Discovery, ASendThatFailsIsCountedAndNotFatal) {
  lab l;
  auto o = asking(l);
  // An interface that went away since: the kernel refuses to send on it.
  selected_interface gone;
  gone.index = 0x7ffffff0;
  gone.name = "gone0";
  gone.broadcasts = {{net::ip::address_v4(), net::ip::address_v4(0x7fffffff)}};
  o.where.interfaces.insert(o.where.interfaces.begin(), gone);
  l.start_node(quiet(l));
  auto& b = l.start_browser(o);
  ASSERT_TRUE(l.wait_for([&] { return !b.nodes().empty(); })) << "the other interface works all the same";
  EXPECT_THAT(b.what_happened().remarks(), ElementsAre(HasSubstr("could not be sent on gone0 (127.255.255.255)")));
}

}  // namespace
}  // namespace pp::discovery::test
