// Jobs that hang at one node and run well at another, nodes that fail what others do, and jobs that must not wait in vain.
#include <fcntl.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// Whoever comes first finds the file missing, makes it and hangs until `end` is there; all others return at once.
int hang_if_first(const std::string& first, const std::string& end) {
  const int fd = open(first.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return 42;
  close(fd);
  wait_until([&] { return std::filesystem::exists(end); }, 10 * 60s);
  return -1;
}

/// As its node was told, a job of it kills its worker.
int die_on_bad_node() {
  if (std::getenv("BAD_NODE") != nullptr) kill(getpid(), SIGKILL);
  return 42;
}

std::unique_ptr<node> start_bad_node(const cluster& c) {
  node::parameters p;
  p.name = "node-bad";
  p.environment = c.environment();
  p.environment["BAD_NODE"] = "1";
  p.extra = {"--pass-env", "BAD_NODE"};
  return c.start_node(p);
}

class Straggler : public ::testing::Test {
 protected:
  Straggler() : first_(c_.directory() / "first"), end_(c_.directory() / "end") {}
  ~Straggler() override { std::ofstream(end_).put('x'); }

  pp::future<int> submit(pp::client& client, const pp::job_options& how) {
    return client.submit(how, hang_if_first, first_.string(), end_.string());
  }
  /// Runs three jobs of the kind that do not hang: what is usual is known then.
  void show_what_is_usual(pp::client& client) {
    std::ofstream(first_).put('x');
    for (int i = 0; i < 3; ++i) EXPECT_EQ(submit(client, {.idempotent = true}).get(), 42);
    std::filesystem::remove(first_);
  }

  cluster c_;
  std::filesystem::path first_, end_;
};

TEST_F(Straggler, IsStartedElsewhereAndTheFirstResultCounts) {
  const auto a = c_.start_node("node-a", 1), b = c_.start_node("node-b", 1);
  pp::client client(c_.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  show_what_is_usual(client);
  auto job = submit(client, {.idempotent = true});
  ASSERT_TRUE(job.wait_for(generous)) << "the copy does not hang";
  EXPECT_EQ(job.get(), 42);
  EXPECT_EQ(client.stats().copied, 1U);
  // The one that hangs is ended: both workers take jobs again.
  auto both = std::vector<pp::future<int>>();
  for (int i = 0; i < 20; ++i) both.push_back(submit(client, {}));
  for (auto& one : both) EXPECT_EQ(one.get(), 42);
  EXPECT_TRUE(wait_until(
      [&] { return find_node(client, "node-a").in_flight == 0 && find_node(client, "node-b").in_flight == 0; }));
  EXPECT_EQ(client.stats().done, 24U);
  EXPECT_EQ(client.stats().failed, 0U);
}

TEST_F(Straggler, WaitsForItsOnlyPlaceIfItMayNotRunTwice) {
  const auto a = c_.start_node("node-a", 1), b = c_.start_node("node-b", 1);
  pp::client client(c_.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  show_what_is_usual(client);
  auto once = submit(client, {});
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(first_); }));
  // Another that may is copied meanwhile; this one is not.
  const auto other_first = c_.directory() / "other-first";
  auto twice = client.submit({.idempotent = true}, hang_if_first, other_first.string(), end_.string());
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(other_first); }));
  const auto d = c_.start_node("node-c", 2);
  ASSERT_TRUE(twice.wait_for(generous));
  EXPECT_EQ(twice.get(), 42);
  EXPECT_EQ(client.stats().copied, 1U);
  EXPECT_FALSE(once.ready());
  std::ofstream(end_).put('x');
  EXPECT_EQ(once.get(), -1);
}

TEST(Quarantine, ANodeWhoseWorkersDieIsLeftOutWithAReason) {
  const cluster c;
  const auto bad = start_bad_node(c);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto good = c.start_node("node-good", 2);
  ASSERT_TRUE(has_nodes(client, 2));
  const auto run_some = [&] {
    std::vector<pp::future<int>> jobs;
    for (int i = 0; i < 8; ++i) jobs.push_back(client.submit(die_on_bad_node));
    for (auto& job : jobs) EXPECT_EQ(job.get(), 42) << "what dies at one node is done by the other";
  };
  ASSERT_TRUE(wait_until([&] {
    run_some();
    return find_node(client, "node-bad").state == "quarantined";
  }));
  EXPECT_THAT(find_node(client, "node-bad").reason, HasSubstr("workers died here"));
  EXPECT_EQ(find_node(client, "node-good").state, "ready");
  // Nothing dies any more: the node is not tried for a minute.
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-bad").in_flight == 0; }));
  const auto before = client.stats().retried;
  for (int i = 0; i < 5; ++i) run_some();
  EXPECT_EQ(client.stats().retried, before);
  // Who asks for that node gets it all the same.
  auto pinned = client.submit({.node = "node-bad"}, die_on_bad_node);
  EXPECT_THROW(pinned.get(), pp::job_error);
}

TEST(Quarantine, OutlivesALostConnection) {
  const cluster c;
  const auto bad = start_bad_node(c);
  pp::client client(c.impatient_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto good = c.start_node("node-good", 2);
  ASSERT_TRUE(has_nodes(client, 2));
  const auto state = [&] { return find_node(client, "node-bad").state; };
  ASSERT_TRUE(wait_until([&] {
    std::vector<pp::future<int>> jobs;
    for (int i = 0; i < 8; ++i) jobs.push_back(client.submit(die_on_bad_node));
    for (auto& job : jobs) job.get();
    return state() == "quarantined";
  }));
  bad->stop();
  ASSERT_TRUE(wait_until([&] { return state() == "lost"; }));
  bad->resume();
  ASSERT_TRUE(wait_until([&] { return state() == "ready" || state() == "quarantined"; }));
  EXPECT_EQ(state(), "quarantined");
}

TEST(Quarantine, JobsThatDieEverywhereAreBlamedOnNobody) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  for (int i = 0; i < 6; ++i) EXPECT_THROW(client.submit([] { kill(getpid(), SIGKILL); }).get(), pp::job_error);
  EXPECT_EQ(find_node(client, "node-a").state, "ready");
  EXPECT_EQ(find_node(client, "node-b").state, "ready");
}

// Sixteen short jobs and one that lasts until the others are done: if one of them waited behind it, none would end.
int wait_for_others(const std::string& directory, int count) {
  const auto ended = [&] {
    const auto all = std::filesystem::directory_iterator(directory);
    return std::distance(begin(all), end(all)) >= count;
  };
  return wait_until(ended) ? 1 : 0;
}
int leave_mark(const std::string& file) {
  std::ofstream(file).put('x');
  return 1;
}

TEST(Skew, NoneOfSeventeenJobsWaitsBehindABusyWorkerWhileTheOtherIdles) {
  const cluster c;
  const auto marks = c.directory() / "marks";
  std::filesystem::create_directory(marks);
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(client.submit(leave_mark, (marks / std::to_string(i)).string()));
  jobs.push_back(client.submit(wait_for_others, marks.string(), 16));
  for (int i = 4; i < 16; ++i) jobs.push_back(client.submit(leave_mark, (marks / std::to_string(i)).string()));
  for (auto& job : jobs) EXPECT_EQ(job.get(), 1) << "a job waited behind the long one";
}

}  // namespace
}  // namespace pp::test
