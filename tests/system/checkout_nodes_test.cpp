// Check-outs where there are several nodes, several clients, and some that die.
#include <csignal>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/program.hpp"
#include "tests/system/checkout_jobs.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CheckOuts : public ::testing::Test {
 protected:
  cluster c;
};

TEST_F(CheckOuts, AreLostWithTheirNode) {
  auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto w = client.checkout({.node = "node-a"}, generous);
  EXPECT_EQ(w.node(), "node-a");
  auto running = w.submit(begin_and_wait, (c.directory() / "began").string(), (c.directory() / "never").string());
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(c.directory() / "began"); }));
  auto queued = w.submit(count_up);
  a->kill();
  std::string text;
  EXPECT_EQ(code_of(running, &text), errc::disconnected);
  EXPECT_THAT(text, AllOf(HasSubstr("node node-a was lost"), HasSubstr("check out another one")));
  EXPECT_EQ(code_of(queued), errc::disconnected);
  EXPECT_FALSE(w.valid());
  auto other = client.checkout(generous);
  EXPECT_EQ(other.node(), "node-b");
  EXPECT_EQ(other.submit(count_up).get(), 1) << "nothing of the other one ran here";
}

TEST_F(CheckOuts, EndWhenTheirNodeIsStopped) {
  auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto w = client.checkout({.node = "node-a"}, generous);
  const auto go = (c.directory() / "go").string();
  auto running = w.submit(begin_and_wait, (c.directory() / "began").string(), go);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(c.directory() / "began"); }));
  std::vector<pp::future<int>> queued;
  for (int i = 0; i < 100; ++i) queued.push_back(w.submit(count_up));
  ASSERT_TRUE(wait_until([&] { return client.stats().in_flight > 1; }));
  a->terminate();
  ASSERT_TRUE(wait_until([&] { return !w.valid(); }));
  for (auto& job : queued) EXPECT_EQ(code_of(job), errc::shutting_down);
  std::ofstream(go) << "x";
  EXPECT_EQ(running.get(), w.pid());
  EXPECT_EQ(client.checkout(generous).node(), "node-b");
}

TEST_F(CheckOuts, GoToANodeThatHasAFreeWorker) {
  auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto first = client.checkout(generous), second = client.checkout(generous);
  EXPECT_NE(first.node(), second.node());
  // It waits at one of them and gets the other's.
  std::thread caller([&] {
    auto third = client.checkout(generous);
    EXPECT_EQ(third.node(), second.node());
    EXPECT_EQ(third.submit(process).get(), third.pid());
  });
  ASSERT_TRUE(wait_until([&] { return client.stats().submitted == 3; }));
  const auto kept = second.node();
  second.check_in();
  caller.join();
  EXPECT_TRUE(first.valid());
}

TEST_F(CheckOuts, AreSharedBetweenClients) {
  auto a = c.start_node("node-a", 2);
  pp::client one(c.client_options()), two(c.client_options());
  ASSERT_TRUE(has_nodes(one, 1));
  ASSERT_TRUE(has_nodes(two, 1));
  auto first = one.checkout(generous), second = two.checkout(generous);
  EXPECT_NE(first.pid(), second.pid());
  auto waits = two.submit(process);
  EXPECT_THROW(one.checkout(50ms), pp::error);
  const int freed = first.pid();
  first.check_in();
  EXPECT_EQ(waits.get(), freed);
  auto third = two.checkout(generous);
  EXPECT_EQ(third.pid(), freed);
  EXPECT_TRUE(second.valid());
}

int hold_and_wait() {
  pp::options o;
  o.local = 0;
  o.echo_output = false;
  pp::client client(o);
  auto w = client.checkout(generous);
  std::cout << "have " << w.pid() << std::endl;
  auto job = w.submit(wait_for_file, std::string("/nonexistent"));
  job.wait();
  return 0;
}
const client_program hold_program("checkout_hold", hold_and_wait);

TEST_F(CheckOuts, AreFreeAgainWhenTheirClientIsKilled) {
  auto a = c.start_node("node-a", 1);
  child_process holder(c.program("checkout_hold"));
  ASSERT_TRUE(wait_until([&] { return holder.out().find("have ") != std::string::npos; })) << holder.err();
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  EXPECT_THROW(client.checkout(50ms), pp::error);
  holder.signal(SIGKILL);
  auto w = client.checkout(generous);
  EXPECT_EQ(w.submit(count_up).get(), 1);
}

TEST_F(CheckOuts, EveryWorkerOfTwoNodesRunsOneJobForEachOfTwoClients) {
  auto a = c.start_node("node-a", 2), b = c.start_node("node-b", 2);
  pp::client one(c.client_options()), two(c.client_options());
  ASSERT_TRUE(has_nodes(one, 2));
  ASSERT_TRUE(has_nodes(two, 2));
  auto first = one.broadcast(every_worker, process), second = two.broadcast(every_worker, process);
  for (auto* jobs : {&first, &second}) {
    ASSERT_EQ(jobs->size(), 4U);
    std::set<int> pids;
    std::map<std::string, int> per_node;
    for (auto& [name, job] : *jobs) {
      ++per_node[name];
      pids.insert(job.get());
    }
    EXPECT_EQ(pids.size(), 4U);
    EXPECT_EQ(per_node, (std::map<std::string, int>{{"node-a", 2}, {"node-b", 2}}));
  }
}

}  // namespace
}  // namespace pp::test
