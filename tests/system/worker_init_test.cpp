// options::worker_init and options::weights.
#include <unistd.h>

#include <filesystem>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

int times_ready = 0;
void get_ready() { ++times_ready; }
std::pair<int, int> who_is_ready(int) { return {getpid(), times_ready}; }

int tries = 0;
void get_ready_at_second_try() {
  if (++tries == 1) throw std::runtime_error("no licence");
}
int count_tries() { return tries; }

int wait_for_file(const std::string& path) {
  wait_until([&] { return std::filesystem::exists(path); }, 10 * 60s);
  return 1;
}

class WorkerInit : public ::testing::TestWithParam<bool> {
 protected:
  pp::options on(unsigned workers) {
    auto o = c.client_options();
    if (GetParam()) {
      n = c.start_node("node-a", workers);
    } else {
      o.discovery = false;
      o.local = static_cast<int>(workers);
    }
    return o;
  }
  cluster c;
  std::unique_ptr<node> n;
};
INSTANTIATE_TEST_SUITE_P(Local, WorkerInit, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(OnNode, WorkerInit, ::testing::Values(true));

TEST_P(WorkerInit, RunsOnceInEachWorkerBeforeItsFirstJob) {
  auto o = on(2);
  o.worker_init = get_ready;
  client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  std::set<int> workers;
  const auto see = [&](const std::pair<int, int>& one) {
    workers.insert(one.first);
    EXPECT_EQ(one.second, 1);
  };
  for (auto& [where, job] : client.broadcast(every_worker, who_is_ready, 0)) see(job.get());
  for (const auto& one : client.map(who_is_ready, std::vector<int>(100))) see(one);
  see(client.submit({.label = "with terms", .environment = {{"A", "b"}}}, who_is_ready, 1).get());
  EXPECT_EQ(workers.size(), 2U);
}

TEST_P(WorkerInit, AnExceptionIsThatJobsAndTheNextOneTriesAgain) {
  auto o = on(1);
  o.worker_init = [] { get_ready_at_second_try(); };
  client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  try {
    client.submit(count_tries).get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.code(), errc::job_threw);
    EXPECT_THAT(e.what(), HasSubstr("options.worker_init failed: no licence"));
    EXPECT_EQ(e.type(), "std::runtime_error");
  }
  EXPECT_EQ(client.submit(count_tries).get(), 2);
  EXPECT_EQ(client.submit(count_tries).get(), 2);
}

// Two clients of one program may share a worker: each one's initialiser runs there.
TEST(WorkerInitOnNode, EachClientHasItsOwn) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  auto o = c.client_options();
  client plain(o);
  o.worker_init = get_ready;
  client prepared(o);
  ASSERT_TRUE(has_nodes(plain, 1) && has_nodes(prepared, 1));
  EXPECT_EQ(plain.submit(who_is_ready, 1).get().second, 0);
  EXPECT_EQ(prepared.submit(who_is_ready, 1).get().second, 1);
  EXPECT_EQ(prepared.submit(who_is_ready, 1).get().second, 1);
}

TEST(Weights, GiveANodeMoreAheadOfItsTurn) {
  const cluster c;
  const auto heavy = c.start_node("heavy", 4), light = c.start_node("light", 4);
  auto o = c.client_options();
  o.weights = {{"hea*", 10}};
  client client(o);
  ASSERT_TRUE(has_nodes(client, 2));
  const auto go = (c.directory() / "go").string();
  std::vector<future<int>> jobs;
  for (int i = 0; i < 11; ++i) jobs.push_back(client.submit(wait_for_file, go));
  // All slots first, then what is ahead of its turn.
  EXPECT_TRUE(wait_until([&] { return client.stats().in_flight == 11; }));
  EXPECT_EQ(find_node(client, "heavy").in_flight, 7U);
  EXPECT_EQ(find_node(client, "light").in_flight, 4U);
  write_file(go, "");
  for (auto& job : jobs) EXPECT_EQ(job.get(), 1);
}

TEST(Weights, OutOfTheirRangeAreRefused) {
  const cluster c;
  for (const auto& [pattern, weight] :
       std::vector<std::pair<std::string, double>>{{"a", 0}, {"a", 101}, {"", 1}, {"[", 1}}) {
    auto o = c.client_options();
    o.weights = {{pattern, weight}};
    try {
      const client client(o);
      ADD_FAILURE() << pattern << weight;
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::bad_option);
      EXPECT_THAT(e.what(), HasSubstr("options.weights['" + pattern + "']"));
    }
  }
}

TEST(NodeLoad, IsWhatTheNodeAnnounces) {
  const cluster c;
  const auto n = c.start_node("node-a", 2);
  auto o = c.client_options();
  o.local = 1;
  client client(o);
  ASSERT_TRUE(has_nodes(client, 2));
  EXPECT_GE(find_node(client, "node-a").load, 0);
  EXPECT_GE(find_node(client, "local").load, 0);
}

}  // namespace
}  // namespace pp::test
