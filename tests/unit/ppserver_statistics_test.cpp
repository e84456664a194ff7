#include "ppserver/statistics.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace pp::ppserver {
namespace {

node_numbers busy_node() {
  node_numbers n;
  n.name = "anna";
  n.node_id = "00112233445566778899aabbccddeeff";
  n.address = "10.0.0.1:60000";
  n.uptime = std::chrono::seconds(90);
  n.slots = 8;
  n.jobs.jobs_done = 1234;
  n.jobs.running = 3;
  n.refused = 17;
  session_numbers s;
  s.address = "10.0.0.9:4711";
  s.key_name = "alice";
  s.client_id = "ff";
  s.jobs_done = 1200;
  s.mean_run_time = std::chrono::milliseconds(5);
  n.sessions.push_back(s);
  return n;
}

TEST(Statistics, SayInJsonWhatToolsAskFor) {
  const auto j = nlohmann::json::parse(to_json(busy_node()));
  EXPECT_EQ(j["name"], "anna");
  EXPECT_EQ(j["node_id"], "00112233445566778899aabbccddeeff");
  EXPECT_EQ(j["slots"], 8);
  EXPECT_EQ(j["free"], 5);
  EXPECT_EQ(j["uptime_s"], 90.0);
  EXPECT_EQ(j["sessions"][0]["key"], "alice");
  EXPECT_EQ(j["sessions"][0]["mean_run_ms"], 5.0);
}

TEST(Statistics, StayValidJsonWhateverANameHolds) {
  auto n = busy_node();
  n.name = "\xff\"\n\x01";
  EXPECT_TRUE(nlohmann::json::accept(to_json(n)));
}

TEST(Statistics, AreATableForPeople) {
  const auto text = to_table(busy_node());
  EXPECT_NE(text.find("Node anna ("), std::string::npos);
  EXPECT_NE(text.find("1234 done, 3 running"), std::string::npos);
  EXPECT_NE(text.find("10.0.0.9:4711"), std::string::npos);
  EXPECT_NE(text.find("17 strangers refused"), std::string::npos);
}

TEST(Statistics, NeverShowMoreFreeSlotsThanThereAre) {
  auto n = busy_node();
  n.jobs.running = 9;  // a worker of a slot that was just taken away
  EXPECT_EQ(nlohmann::json::parse(to_json(n))["free"], 0);
}

}  // namespace
}  // namespace pp::ppserver
