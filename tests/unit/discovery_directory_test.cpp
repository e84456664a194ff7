// Which nodes a client knows, with time moved by hand.
#include "discovery/directory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pp::discovery {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using wire::announce_type;

node_id id(std::size_t n) {
  node_id out{};
  store_big_endian<std::uint32_t>(out.data(), static_cast<std::uint32_t>(n));
  return out;
}

endpoint at(std::uint8_t last, std::uint16_t port = 60000) { return {{4, {10, 0, 0, last}}, port}; }

struct client {
  directory known;
  time_point now = time_point{} + 1h;
  std::uint64_t seq = 0;
  wire::announce says = announcement(1);

  static wire::announce announcement(std::size_t node) {
    wire::announce m;
    m.node_id = id(node);
    m.boot_id = id(100);
    m.slots = 4;
    m.free = 4;
    m.proto_min = m.proto_max = 1;
    m.name = "a";
    return m;
  }
  std::vector<change_kind> hear(const std::vector<endpoint>& endpoints = {at(1)}) {
    says.seq = ++seq;
    return kinds(known.on_sighting({&says, endpoints, false, 0}, now));
  }
  static std::vector<change_kind> kinds(const std::vector<change>& changes) {
    std::vector<change_kind> out;
    for (const auto& c : changes) out.push_back(c.kind);
    return out;
  }
  const found_node& node() const { return *known.find(id(1)); }
};

TEST(Endpoint, SaysHostAndPort) {
  EXPECT_EQ(at(7).text(), "10.0.0.7:60000");
  endpoint six;
  six.address.family = 6;
  six.address.bytes[15] = 1;
  six.port = 5;
  EXPECT_EQ(six.text(), "[::1]:5");
}

TEST(Directory, TellsANodeOnceThatIsSeenOften) {
  client c;
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::appeared));
  EXPECT_THAT(c.hear(), IsEmpty());
  EXPECT_EQ(c.known.size(), 1U);
  EXPECT_EQ(c.node().name, "a");
  EXPECT_EQ(c.node().slots, 4);
}

TEST(Directory, LoadIsKeptButIsNoChange) {
  client c;
  c.hear();
  c.says.free = 1;
  c.says.load_milli = 2500;
  c.says.mem_free_mib = 77;
  EXPECT_THAT(c.hear(), IsEmpty());
  EXPECT_EQ(c.node().free, 1);
  EXPECT_EQ(c.node().load_milli, 2500U);
  EXPECT_EQ(c.node().mem_free_mib, 77U);
}

TEST(Directory, TellsWhatMattersToAConnection) {
  client c;
  c.hear();
  c.says.slots = 8;
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::changed));
  c.says.name = "b";
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::changed));
  c.says.proto_max = 2;
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::changed));
}

TEST(Directory, MergesTheEndpointsOfSeveralInterfaces) {
  client c;
  c.hear({at(1)});
  EXPECT_THAT(c.hear({at(2), at(1)}), ElementsAre(change_kind::changed));
  EXPECT_THAT(c.hear({at(2)}), IsEmpty());
  EXPECT_THAT(c.node().endpoints, ElementsAre(at(1), at(2)));
}

TEST(Directory, DropsAnEndpointThatIsNotHeardOfAnyMore) {
  client c;
  c.hear({at(1), at(2)});
  c.now += 10s;
  EXPECT_THAT(c.hear({at(2)}), IsEmpty());
  c.now += 8s;
  EXPECT_THAT(c.hear({at(2)}), ElementsAre(change_kind::changed));
  EXPECT_THAT(c.node().endpoints, ElementsAre(at(2)));
}

TEST(Directory, KeepsAtMostSixteenEndpointsOfANode) {
  client c;
  for (std::uint8_t i = 1; i <= 40; ++i) c.hear({at(i)});
  EXPECT_EQ(c.node().endpoints.size(), 16U);
}

TEST(Directory, ForgetsANodeAfterThreeMissedAnnouncements) {
  client c;
  c.hear();
  c.now += 18s - 1ms;
  EXPECT_THAT(c.known.on_tick(c.now), IsEmpty());
  c.now += 1ms;
  const auto changes = c.known.on_tick(c.now);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].kind, change_kind::expired);
  EXPECT_EQ(changes[0].node.name, "a");
  EXPECT_TRUE(c.known.empty());
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::appeared));
}

TEST(Directory, AnyDatagramKeepsANodeAlive) {
  client c;
  for (const auto type : {announce_type::announce, announce_type::reply, announce_type::announce}) {
    c.says.type = type;
    c.hear();
    c.now += 17s;
    EXPECT_THAT(c.known.on_tick(c.now), IsEmpty());
  }
}

TEST(Directory, GoodbyeDrainsAndForgetsLater) {
  client c;
  c.hear();
  c.says.type = announce_type::goodbye;
  EXPECT_THAT(c.hear({}), ElementsAre(change_kind::draining));
  EXPECT_THAT(c.hear({}), IsEmpty()) << "it is said three times";
  EXPECT_TRUE(c.node().draining);
  EXPECT_THAT(c.node().endpoints, ElementsAre(at(1))) << "a goodbye is no reason to forget a running session's node";
  c.now += 18s;
  EXPECT_THAT(client::kinds(c.known.on_tick(c.now)), ElementsAre(change_kind::expired));
}

TEST(Directory, AnAnnouncementOvertakenByAGoodbyeDoesNotUndoIt) {
  client c;
  c.hear();
  auto late = c.says;
  late.seq = ++c.seq;
  c.says.type = announce_type::goodbye;
  c.hear({});
  EXPECT_THAT(c.known.on_sighting({&late, {at(1)}, false, 0}, c.now), IsEmpty());
  EXPECT_TRUE(c.node().draining);
}

TEST(Directory, DrainingMayEnd) {
  client c;
  c.hear();
  c.says.draining = true;
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::draining));
  c.says.draining = false;
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::changed));
  EXPECT_FALSE(c.node().draining);
}

TEST(Directory, ARestartedNodeIsAtItsNewEndpointsOnly) {
  client c;
  c.hear({at(1, 1000)});
  c.says.type = announce_type::goodbye;
  c.hear({});
  c.says.type = announce_type::announce;
  c.says.boot_id = id(101);
  c.seq = 0;
  EXPECT_THAT(c.hear({at(1, 2000)}), ElementsAre(change_kind::changed));
  EXPECT_FALSE(c.node().draining);
  EXPECT_THAT(c.node().endpoints, ElementsAre(at(1, 2000)));
}

TEST(Directory, TheGoodbyeOfAStrangerChangesNothing) {
  client c;
  c.says.type = announce_type::goodbye;
  EXPECT_THAT(c.hear({}), IsEmpty());
  EXPECT_TRUE(c.known.empty());
  c.says.type = announce_type::announce;
  c.hear();
  c.says.type = announce_type::goodbye;
  c.says.boot_id = id(101);
  EXPECT_THAT(c.hear({}), IsEmpty()) << "a boot we never met";
  EXPECT_FALSE(c.node().draining);
}

TEST(Directory, IgnoresANodeWithoutAnAddress) {
  client c;
  EXPECT_THAT(c.hear({}), IsEmpty());
  EXPECT_TRUE(c.known.empty());
}

TEST(Directory, MakesRoomByForgettingTheOneSilentForLongest) {
  client c;
  c.known = directory({.nodes = 3});
  for (std::size_t n = 1; n <= 3; ++n) {
    c.says = client::announcement(n);
    c.hear();
    c.now += 1s;
  }
  c.says = client::announcement(1);
  c.hear();
  c.says = client::announcement(4);
  EXPECT_THAT(c.hear(), ElementsAre(change_kind::expired, change_kind::appeared));
  EXPECT_EQ(c.known.find(id(2)), nullptr);
  EXPECT_NE(c.known.find(id(1)), nullptr);
  EXPECT_EQ(c.known.nodes().size(), 3U);
}

TEST(DirectoryDial, OncePerNodeAndFiveSeconds) {
  client c;
  EXPECT_FALSE(c.known.may_dial(id(1), c.now)) << "not known";
  c.hear();
  EXPECT_TRUE(c.known.may_dial(id(1), c.now));
  EXPECT_FALSE(c.known.may_dial(id(1), c.now)) << "still dialling";
  c.known.on_dial_ended(id(1));
  c.now += 5s - 1ms;
  EXPECT_FALSE(c.known.may_dial(id(1), c.now));
  EXPECT_EQ(c.known.next_dial(id(1), c.now), c.now + 1ms);
  c.now += 1ms;
  EXPECT_EQ(c.known.next_dial(id(1), c.now), c.now);
  EXPECT_TRUE(c.known.may_dial(id(1), c.now));
}

TEST(DirectoryDial, ARestartedNodeNeedNotWait) {
  client c;
  c.hear();
  c.known.may_dial(id(1), c.now);
  c.says.boot_id = id(101);
  c.hear();
  EXPECT_FALSE(c.known.may_dial(id(1), c.now)) << "the first dial still runs";
  c.known.on_dial_ended(id(1));
  EXPECT_TRUE(c.known.may_dial(id(1), c.now));
  c.known.on_dial_ended(id(1));
  EXPECT_FALSE(c.known.may_dial(id(1), c.now)) << "once for a boot";
}

TEST(DirectoryDial, ThirtyTwoAtOnce) {
  client c;
  for (std::size_t n = 1; n <= 40; ++n) {
    c.says = client::announcement(n);
    c.hear();
    EXPECT_EQ(c.known.may_dial(id(n), c.now), n <= 32);
  }
  EXPECT_EQ(c.known.dials_running(), 32U);
  EXPECT_GT(c.known.next_dial(id(40), c.now), c.now);
  c.known.on_dial_ended(id(1));
  c.known.on_dial_ended(id(1));
  EXPECT_EQ(c.known.dials_running(), 31U) << "ending twice counts once";
  EXPECT_EQ(c.known.next_dial(id(40), c.now), c.now);
  EXPECT_TRUE(c.known.may_dial(id(40), c.now));
}

TEST(DirectoryDial, ForgettingANodeDoesNotForgetItsRunningDial) {
  client c;
  c.hear();
  c.known.may_dial(id(1), c.now);
  c.now += 18s;
  c.known.on_tick(c.now);
  EXPECT_EQ(c.known.dials_running(), 1U);
  c.hear();
  EXPECT_FALSE(c.known.may_dial(id(1), c.now));
  c.known.on_dial_ended(id(1));
  EXPECT_EQ(c.known.dials_running(), 0U);
  EXPECT_TRUE(c.known.may_dial(id(1), c.now));
}

}  // namespace
}  // namespace pp::discovery
