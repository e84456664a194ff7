// What a running node tells about its jobs while they run, and how much of their output it keeps.
#include <unistd.h>
#include <csignal>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

/// Marks that it has begun, and ends when `end` is there (or the test is long over).
int work_until(const std::string& begun, const std::string& end) {
  std::ofstream(begun).put('x');
  wait_until([&] { return std::filesystem::exists(end); });
  return 1;
}
int own_pid() { return getpid(); }
int print_letters(std::size_t count) {
  std::cout << std::string(count / 2, 'a') << std::string(count - count / 2, 'z');
  return 7;
}
void print_letters_and_die(std::size_t count) {
  print_letters(count);
  std::cout << std::flush;
  kill(getpid(), SIGKILL);
}

class NodeStatus : public ::testing::Test {
 protected:
  static node::parameters parameters(std::vector<std::string> extra) {
    node::parameters p;
    p.name = "node-a";
    p.workers = 1;
    p.extra = std::move(extra);
    return p;
  }
  nlohmann::json status() { return nlohmann::json::parse(client_->node_stats("node-a", generous)); }
  void start(std::vector<std::string> extra) {
    node_ = cluster_.start_node(parameters(std::move(extra)));
    client_.emplace(cluster_.client_options());
    ASSERT_TRUE(has_nodes(*client_, 1));
  }
  cluster cluster_;
  std::unique_ptr<node> node_;
  std::optional<pp::client> client_;
};

TEST_F(NodeStatus, NamesTheRunningJobItsWorkerAndTheLimits) {
  start({"--memory", "1GiB", "--restart-limit", "40", "--restart-window", "600", "--output-limit", "64KiB"});
  const int worker = client_->submit(own_pid).get();
  const auto begun = (cluster_.directory() / "begun").string(), end = (cluster_.directory() / "end").string();
  auto job = client_->submit({.label = "frame 17"}, work_until, begun, end);
  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(begun); }));
  // The watchdog looks every 100 ms, and not at a job that it sees for the first time.
  EXPECT_TRUE(wait_until([&] { return status()["processes"][0]["memory"] > 0; }));
  const auto s = status();
  EXPECT_EQ(s["limits"]["memory"], 1U << 30U);
  EXPECT_EQ(s["limits"]["output"], 64U << 10U);
  EXPECT_EQ(s["limits"]["restarts"], 40);
  EXPECT_EQ(s["limits"]["restart_window_s"], 600.0);
  ASSERT_EQ(s["processes"].size(), 1U);
  const auto& w = s["processes"][0];
  EXPECT_EQ(w["label"], "frame 17");
  EXPECT_EQ(w["state"], "running");
  EXPECT_EQ(w["pid"], worker);
  EXPECT_GT(w["running_s"], 0.0);
  ASSERT_EQ(s["images"].size(), 1U);
  EXPECT_EQ(s["images"][0]["id"], w["image"]);
  EXPECT_EQ(s["images"][0]["workers"], 1);
  EXPECT_EQ(s["sessions"][0]["weight"], 1);

  kill(node_->process().pid(), SIGUSR1);
  EXPECT_TRUE(wait_until([&] { return node_->log().find("frame 17") != std::string::npos; })) << node_->log();
  std::ofstream(end).put('x');
  EXPECT_EQ(job.get(), 1);
  EXPECT_TRUE(wait_until([&] { return status()["processes"][0]["state"] == "ready"; }));
  EXPECT_EQ(status()["processes"][0]["label"], "");
}

TEST_F(NodeStatus, CountsJobsThatWereEndedForALimit) {
  start({});
  const auto never = (cluster_.directory() / "never").string();
  auto late = client_->submit({.timeout = std::chrono::milliseconds(200)}, work_until, never + "1", never);
  EXPECT_THROW(late.get(), pp::error);
  auto unwanted = client_->submit(work_until, never + "2", never);
  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(never + "2"); }));
  unwanted.cancel();
  EXPECT_THROW(unwanted.get(), pp::error);
  EXPECT_TRUE(wait_until([&] { return status()["jobs_cancelled"] == 1; })) << status();
  EXPECT_EQ(status()["jobs_timed_out"], 1);
  EXPECT_EQ(status()["jobs_memory_limit"], 0);
}

TEST_F(NodeStatus, AJobsOutputIsKeptUpToTheNodesLimit) {
  start({"--output-limit", "8KiB"});
  auto loud = client_->submit({.output = pp::output::keep}, print_letters, std::size_t{1'000'000});
  const auto text = loud.output();
  EXPECT_EQ(text.out, std::string(4096, 'a') + std::string(4096, 'z'));
  EXPECT_EQ(text.out_dropped, 1'000'000U - 8192);
  EXPECT_EQ(loud.get(), 7);
  auto fatal =
      client_->submit({.attempts = 1, .output = pp::output::keep}, print_letters_and_die, std::size_t{1'000'000});
  const auto last_words = fatal.output();
  EXPECT_LE(last_words.out.size(), 8192U);
  EXPECT_GT(last_words.out_dropped, 0U);
  EXPECT_EQ(last_words.out.substr(0, 4096), std::string(4096, 'a'));
  EXPECT_THROW(fatal.get(), pp::error);
}

}  // namespace
}  // namespace pp::test
