// job_options::resources with real nodes: where such jobs run, and how many of them at once, whoever sent them.
#include <atomic>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }

/// How many of these run while it does, itself included: each has a file for as long.
int crowd(const std::string& directory, int number) {
  const std::filesystem::path mine = std::filesystem::path(directory) / ("runs-" + std::to_string(number));
  std::ofstream(mine).put('x');
  int most = 0;
  for (int look = 0; look < 300; ++look) {
    int now = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      now += entry.path().filename().string().rfind("runs-", 0) == 0 ? 1 : 0;
    most = std::max(most, now);
  }
  std::filesystem::remove(mine);
  return most;
}

int hold(const std::string& begun, const std::string& end) {
  std::ofstream(begun).put('x');
  wait_until([&] { return std::filesystem::exists(end); });
  return 1;
}

class Resources : public ::testing::Test {
 protected:
  std::unique_ptr<node> start(const std::string& name, unsigned workers, std::vector<std::string> resources) {
    node::parameters p;
    p.name = name;
    p.workers = workers;
    for (auto& r : resources) p.extra.push_back("--resource=" + r);
    return here_.start_node(p);
  }
  std::string path(const std::string& name) const { return (here_.directory() / name).string(); }
  cluster here_;
};

TEST_F(Resources, JobsGoOnlyToNodesThatDeclareEnough) {
  const auto plain = start("plain", 2, {}), one = start("one", 2, {"gpu=1"}),
             two = start("two", 2, {"gpu=2", "fast=1"});
  pp::client client(here_.client_options());
  ASSERT_TRUE(has_nodes(client, 3));
  for (int i = 0; i < 20; ++i) {
    auto job = client.submit({.resources = {{"gpu", 2}}}, twice, i);
    EXPECT_EQ(job.node(), "two");
    EXPECT_EQ(job.get(), 2 * i);
    auto other = client.submit({.resources = {{"gpu", 1}}}, twice, i);
    EXPECT_NE(other.node(), "plain");
    EXPECT_EQ(other.get(), 2 * i);
  }
  EXPECT_EQ(find_node(client, "two").resources, (std::map<std::string, unsigned>{{"fast", 1}, {"gpu", 2}}));
  EXPECT_TRUE(find_node(client, "plain").resources.empty());
}

TEST_F(Resources, OfTwoClientsTogetherNoMoreRunThanThereAre) {
  const auto node = start("node-a", 4, {"gpu=2"});
  pp::client first(here_.client_options()), second(here_.client_options());
  ASSERT_TRUE(has_nodes(first, 1));
  ASSERT_TRUE(has_nodes(second, 1));
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 40; ++i)
    jobs.push_back(
        (i % 2 == 0 ? first : second).submit({.resources = {{"gpu", 1}}}, crowd, here_.directory().string(), i));
  for (auto& job : jobs) {
    const int together = job.get();
    EXPECT_GE(together, 1);
    EXPECT_LE(together, 2);
  }
  EXPECT_THAT(first.node_stats("node-a", 10s), HasSubstr(R"("resources":[{"name":"gpu","count":2,)"));
}

TEST_F(Resources, OtherJobsGoPastThoseThatWait) {
  const auto node = start("node-a", 2, {"gpu=1"});
  pp::client client(here_.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  pp::job_options needs;
  needs.resources = {{"gpu", 1}};
  auto held = client.submit(needs, hold, path("begun"), path("end"));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(path("begun")); }));
  auto waiting = client.submit(needs, twice, 1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
  EXPECT_FALSE(waiting.ready());
  std::ofstream(path("end")).put('x');
  EXPECT_EQ(held.get(), 1);
  EXPECT_EQ(waiting.get(), 2);
}

TEST_F(Resources, LocalWorkersHaveThoseOfTheOptions) {
  auto o = here_.client_options();
  o.discovery = false;
  o.local = 4;
  o.resources = {{"gpu", 1}};
  pp::client client(o);
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 8; ++i)
    jobs.push_back(client.submit({.resources = {{"gpu", 1}}}, crowd, here_.directory().string(), i));
  for (auto& job : jobs) EXPECT_EQ(job.get(), 1);
}

TEST_F(Resources, ThatNobodyHasAreNamedByTheError) {
  const auto node = start("node-a", 1, {"gpu=1"});
  auto o = here_.client_options();
  o.no_nodes_timeout = 1s;
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  try {
    client.submit({.resources = {{"fpga", 1}, {"gpu", 1}}}, twice, 1).get();
    FAIL();
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), errc::no_nodes);
    EXPECT_THAT(e.what(), HasSubstr("no node matches job_options.resources fpga=1, gpu=1"));
  }
}

TEST_F(Resources, AJobWaitsForANodeThatHasThem) {
  const auto plain = start("plain", 1, {});
  pp::client client(here_.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  auto job = client.submit({.resources = {{"gpu", 1}}}, twice, 21);
  EXPECT_EQ(client.submit(twice, 1).get(), 2);
  const auto late = start("late", 1, {"gpu=1"});
  EXPECT_EQ(job.node(), "late");
  EXPECT_EQ(job.get(), 42);
}

}  // namespace
}  // namespace pp::test
