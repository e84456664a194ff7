// What a person reads when no node is found.
#include "discovery/report.hpp"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pp::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

report quiet() {
  report r;
  r.interfaces = {{"eth0 (10.0.0.255)", 4, 0}, {"lo (127.255.255.255)", 4, 0}};
  r.port = 60000;
  r.key_id = "0a84c3f1e2d3b4a5";
  r.listening = true;
  return r;
}

TEST(DiscoveryReport, SaysWhereWasAskedAndWithWhichKey) {
  EXPECT_EQ(quiet().text(),
            "asked on: eth0 (10.0.0.255), lo (127.255.255.255), UDP port 60000\n"
            "key used: 0a84c3f1e2d3b4a5\n"
            "datagrams: 0 received, 0 accepted, 0 with another key, 0 with a wrong MAC, 0 replayed or unasked, "
            "0 with a wrong clock, 0 malformed\n");
  EXPECT_THAT(quiet().remarks(), IsEmpty());
}

TEST(DiscoveryReport, NamesTheOtherKeysAndWhatToDo) {
  auto r = quiet();
  r.received = r.other_key = 3;
  r.other_key_ids = {"1111111111111111", "2222222222222222"};
  EXPECT_THAT(r.remarks(),
              ElementsAre("3 datagrams were sealed with another key (1111111111111111, 2222222222222222), "
                          "ours is 0a84c3f1e2d3b4a5: carry the key over with `ppserver key export` there and "
                          "`ppserver key import` here"));
  EXPECT_EQ(r.rejected(), 0U);
}

TEST(DiscoveryReport, SaysWhenTheKernelRefusedOrThePortIsTaken) {
  auto r = quiet();
  r.interfaces[0].failed = 1;
  r.listening = false;
  r.why_not_listening = "it is taken";
  EXPECT_THAT(r.remarks(), ElementsAre(HasSubstr("1 query could not be sent on eth0 (10.0.0.255)"),
                                       "announcements are not heard (it is taken), only answers to queries"));
}

TEST(DiscoveryReport, SaysWhenThereIsNoInterface) {
  report r;
  r.listening = true;
  EXPECT_THAT(r.text(), HasSubstr("asked on: no interface"));
  EXPECT_THAT(r.remarks(), ElementsAre(HasSubstr("no interface to ask on is up")));
}

TEST(DiscoveryReport, HintsAtDatagramsOnOtherInterfaces) {
  auto r = quiet();
  r.not_selected = 2;
  r.no_address = 1;
  EXPECT_THAT(r.remarks(), ElementsAre("1 datagram of nodes told no address that can be reached from here",
                                       "2 datagrams came in on interfaces that are not selected: see PP_INTERFACES"));
}

TEST(DiscoveryReport, CountsAllThatWasRejected) {
  auto r = quiet();
  r.wrong_mac = 1;
  r.malformed = 2;
  r.replayed = 4;
  r.wrong_clock = 8;
  r.other_key = 100;
  EXPECT_EQ(r.rejected(), 15U);
}

TEST(ClockWarning, SaysByHowMuchAndWhichWay) {
  EXPECT_EQ(clock_warning("a", "10.0.0.7:60000", 150'000),
            "node 'a' (10.0.0.7:60000): its clock is 150 s ahead of this machine's; set the clock that is wrong");
  EXPECT_THAT(clock_warning("a", "x", -3 * 3600 * 1000), HasSubstr("its clock is 3 h behind this machine's"));
  EXPECT_THAT(clock_warning("a", "x", -20'000LL * 86400 * 1000), HasSubstr("20000 days behind"));
  EXPECT_THAT(clock_warning("a", "x", 600'000), HasSubstr("10 min ahead"));
  EXPECT_THAT(clock_warning("a", "x", std::numeric_limits<std::int64_t>::min()), HasSubstr("days behind"));
}

TEST(VersionWarning, NamesBothRangesAndWhoIsOlder) {
  found_node n;
  n.name = "a";
  n.proto_min = 2;
  n.proto_max = 3;
  EXPECT_EQ(version_warning(n, 1, 1), "node 'a' speaks protocol 2 to 3, this program 1: update pp here");
  EXPECT_EQ(version_warning(n, 4, 5), "node 'a' speaks protocol 2 to 3, this program 4 to 5: update pp there");
  EXPECT_EQ(version_warning(n, 1, 2), "");
  EXPECT_EQ(version_warning(n, 3, 9), "");
}

TEST(Printable, LetsNothingThroughThatSteersATerminal) {
  EXPECT_EQ(printable("node-1"), "node-1");
  EXPECT_EQ(printable("a\x1b[2J'\n\\"), "a\\x1b[2J\\x27\\x0a\\x5c");
  EXPECT_EQ(printable("\xc3\xa9"), "\\xc3\\xa9");
}

}  // namespace
}  // namespace pp::discovery
