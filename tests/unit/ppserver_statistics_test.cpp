#include "ppserver/statistics.hpp"

#include <algorithm>

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
  s.weight = 3;
  n.sessions.push_back(s);
  n.limits = {512ULL << 20U, 64ULL << 10U, 40, std::chrono::minutes(10)};
  n.job_root = "/tmp/pp-jobs-7";
  n.cgroup = "one for each worker";
  n.jobs.timed_out = 4;
  n.jobs.memory_limit = 5;
  n.jobs.cancelled = 6;
  n.peers = {2, 8ULL << 20U, 1, 3, 12ULL << 20U, 5};
  code::image_id image{};
  image[0] = 0xAB;
  image[3] = 0x01;
  image[4] = 0xFF;
  n.status.programs.push_back({image, 2, 9, 1, "its workers died 41 times"});
  n.status.workers.push_back({.pid = 4712,
                              .state = "running",
                              .image = image,
                              .label = "frame 17",
                              .running = std::chrono::milliseconds(2500),
                              .memory = 32ULL << 20U,
                              .cpu = std::chrono::seconds(2)});
  return n;
}

TEST(Statistics, TellWhatWentBetweenNodes) {
  const auto peers = nlohmann::json::parse(to_json(busy_node()))["peers"];
  EXPECT_EQ(peers["fetched"], 2);
  EXPECT_EQ(peers["fetched_bytes"], 8U << 20U);
  EXPECT_EQ(peers["fetches_failed"], 1);
  EXPECT_EQ(peers["given"], 3);
  EXPECT_EQ(peers["given_bytes"], 12U << 20U);
  EXPECT_EQ(peers["refused"], 5);
  EXPECT_NE(to_table(busy_node()).find("peers    8.0 MiB fetched from other nodes, 12.0 MiB given"), std::string::npos);
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

TEST(Statistics, SayInJsonWhichLimitsHoldAndWhoMetThem) {
  const auto j = nlohmann::json::parse(to_json(busy_node()));
  EXPECT_EQ(j["limits"],
            nlohmann::json::parse(R"({"memory":536870912,"output":65536,"restarts":40,"restart_window_s":600.0})"));
  EXPECT_EQ(j["jobs_timed_out"], 4);
  EXPECT_EQ(j["jobs_memory_limit"], 5);
  EXPECT_EQ(j["jobs_cancelled"], 6);
  EXPECT_EQ(j["job_dir"], "/tmp/pp-jobs-7");
  EXPECT_EQ(j["cgroup"], "one for each worker");
  EXPECT_EQ(j["sessions"][0]["weight"], 3);
}

TEST(Statistics, SayInJsonWhatEachProgramAndWorkerDoes) {
  const auto j = nlohmann::json::parse(to_json(busy_node()));
  EXPECT_EQ(j["images"], nlohmann::json::parse(
                             R"([{"id":"ab000001","workers":2,"queued":9,"deaths":1,
                                  "unfit":"its workers died 41 times"}])"));
  EXPECT_EQ(j["processes"], nlohmann::json::parse(
                                R"([{"pid":4712,"state":"running","image":"ab000001","label":"frame 17",
                                     "running_s":2.5,"memory":33554432,"cpu_s":2.0}])"));
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

TEST(Statistics, ShowPeopleLimitsProgramsAndWorkers) {
  const auto text = to_table(busy_node());
  for (const char* words :
       {"512 MiB a worker, 64 KiB of output, 40 restarts in 600 s", "4 timed out, 5 for memory, 6 cancelled",
        "/tmp/pp-jobs-7", "refused: its workers died 41 times", "frame 17", "ab000001"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << " is missing in\n" << text;
  }
}

TEST(Statistics, GiveATerminalNothingThatMovesItsCursor) {
  auto n = busy_node();
  n.status.workers[0].label = "\x1b[2J\r\n\x7f\xc2\x9b";
  const auto before = to_table(busy_node());
  const auto text = to_table(n);
  EXPECT_NE(text.find("?[2J?????"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), std::count(before.begin(), before.end(), '\n'));
}

TEST(Statistics, CutLongLabelsBetweenLetters) {
  auto n = busy_node();
  n.status.workers[0].label = std::string(39, 'x') + "\xc3\xa4";  // its last letter would be cut in two
  EXPECT_NE(to_table(n).find(std::string(39, 'x') + "\n"), std::string::npos);
}

TEST(Statistics, NeverShowMoreFreeSlotsThanThereAre) {
  auto n = busy_node();
  n.jobs.running = 9;  // a worker of a slot that was just taken away
  EXPECT_EQ(nlohmann::json::parse(to_json(n))["free"], 0);
}

}  // namespace
}  // namespace pp::ppserver
