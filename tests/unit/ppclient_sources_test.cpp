#include "ppclient/sources.hpp"

#include <gtest/gtest.h>

namespace pp::ppclient {
namespace {

using way = sources::way;

constexpr std::uint64_t large = 8U << 20U;
const wire::content_id program{1}, table{2};

wire::holder at(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  wire::holder h;
  h.node = {a, b, c, d};
  h.address = {a, b, c, d};
  h.port = 60000;
  return h;
}
wire::holder in_one_network(unsigned n) { return at(10, 0, 0, static_cast<std::uint8_t>(n + 1)); }

/// Nodes 0 to count - 1 of one network.
sources nodes(unsigned count) {
  sources s(true);
  for (unsigned n = 0; n < count; ++n) s.add(n, in_one_network(n), true);
  return s;
}
way how(sources& s, sources::node to, bool may_wait = true) { return s.decide(to, program, large, may_wait).from; }

TEST(Sources, TheFirstGetsItFromTheClientAndTheOthersWaitForIt) {
  auto s = nodes(3);
  EXPECT_EQ(how(s, 0), way::client);
  EXPECT_EQ(how(s, 1), way::later);
  EXPECT_EQ(how(s, 2), way::later);
  s.on_sent(0, program);
  EXPECT_EQ(how(s, 1), way::later) << "sent, but not yet said to be there";
  s.on_have(0, program);
  const auto d = s.decide(1, program, large, true);
  EXPECT_EQ(d.from, way::peers);
  ASSERT_EQ(d.holders.size(), 1U);
  EXPECT_EQ(d.holders[0], in_one_network(0));
  EXPECT_EQ(how(s, 2), way::peers);
}

TEST(Sources, ItSpreadsAsATree) {
  auto s = nodes(8);
  how(s, 0);
  s.on_have(0, program);
  EXPECT_EQ(how(s, 1), way::peers);
  EXPECT_EQ(how(s, 2), way::peers);
  EXPECT_EQ(how(s, 3), way::later) << "the one holder gives to two";
  s.on_have(1, program);
  s.on_have(2, program);
  for (sources::node n = 3; n < 8; ++n) EXPECT_EQ(how(s, n), way::peers) << n;
}

TEST(Sources, TheHolderWithTheLeastToDoIsNamedFirst) {
  auto s = nodes(4);
  s.on_have(0, program);
  s.on_have(1, program);
  const auto first = s.decide(2, program, large, true), second = s.decide(3, program, large, true);
  ASSERT_EQ(first.holders.size(), 2U);
  ASSERT_EQ(second.holders.size(), 2U);
  EXPECT_NE(first.holders[0], second.holders[0]);
}

TEST(Sources, AtMostFourHoldersAreNamed) {
  auto s = nodes(9);
  for (sources::node n = 0; n < 8; ++n) s.on_have(n, program);
  EXPECT_EQ(s.decide(8, program, large, true).holders.size(), wire::max_holders);
}

TEST(Sources, LittleContentComesFromTheClient) {
  auto s = nodes(2);
  s.on_have(0, program);
  EXPECT_EQ(s.decide(1, program, wire::least_shared_bytes - 1, true).from, way::client);
  EXPECT_EQ(s.decide(1, program, wire::least_shared_bytes, true).from, way::peers);
}

TEST(Sources, AFetchInVainIsFollowedByTheClientAndTheHolderIsNotNamedAgain) {
  auto s = nodes(3);
  s.on_have(0, program);
  EXPECT_EQ(how(s, 1), way::peers);
  s.on_need(1, program);
  EXPECT_EQ(how(s, 1), way::client);
  EXPECT_EQ(how(s, 2), way::client);
  s.on_have(1, program);
  s.on_need(2, program);
  EXPECT_EQ(how(s, 2), way::peers) << "the one that has it now does";
}

TEST(Sources, AHolderThatNeedsItIsNone) {
  auto s = nodes(2);
  s.on_have(0, program);
  s.on_need(0, program);
  EXPECT_EQ(how(s, 1), way::client);
}

TEST(Sources, NobodyWaitsForANodeThatLeftOrIsUnfitNorForEver) {
  auto s = nodes(3);
  how(s, 0);
  EXPECT_EQ(how(s, 1), way::later);
  EXPECT_EQ(how(s, 1, false), way::client) << "it waited long enough";
  s.on_unfit(1);
  s.remove(0);
  EXPECT_EQ(how(s, 2), way::client);
}

TEST(Sources, FarHoldersAreUsedOnlyWhileTheClientSends) {
  sources s(true);
  s.add(0, at(10, 0, 0, 1), true);
  s.add(1, at(10, 9, 0, 1), true);
  s.add(2, at(10, 8, 0, 1), true);
  s.on_have(0, program);
  EXPECT_EQ(how(s, 1), way::client) << "idle, and no farther than the holder";
  EXPECT_EQ(how(s, 2), way::peers) << "busy with the other";
  EXPECT_EQ(s.decide(2, table, large, true).from, way::client) << "of that nobody has anything";
}

TEST(Sources, ALoopbackAddressIsToldOnlyToNodesOfThatMachine) {
  sources s(true);
  s.add(0, at(127, 0, 0, 1), true);
  s.add(1, at(10, 0, 0, 1), true);
  s.add(2, at(127, 0, 0, 1), true);
  s.on_have(0, program);
  EXPECT_EQ(how(s, 1), way::client);
  EXPECT_EQ(how(s, 2), way::peers);
}

TEST(Sources, WhoTakesNoPartNeitherGivesNorGets) {
  sources s(true);
  s.add(0, in_one_network(0), false);
  s.add(1, in_one_network(1), true);
  EXPECT_EQ(how(s, 0), way::client);
  EXPECT_EQ(how(s, 1), way::client) << "it need not wait for what is never said";
  s.on_have(1, program);
  s.on_need(0, program);
  EXPECT_EQ(how(s, 0), way::client);
}

TEST(Sources, TurnedOffEverythingComesFromTheClient) {
  sources s(false);
  s.add(0, in_one_network(0), true);
  s.add(1, in_one_network(1), true);
  s.on_have(0, program);
  EXPECT_EQ(how(s, 1), way::client);
}

}  // namespace
}  // namespace pp::ppclient
