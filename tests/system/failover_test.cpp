// Nodes that die, stop, drain and come back while jobs run: every future completes exactly once with the right value.
#include <atomic>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/relay.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

std::uint64_t slow_square(std::uint64_t n, unsigned ms) {
  spend(std::chrono::milliseconds(ms));
  return n * n;
}

/// `count` jobs of 5 ms, and what to do once half of them are done.
class batch {
 public:
  batch(pp::client& client, std::uint64_t count, unsigned ms = 5) : client_(client), before_(client.stats().done) {
    for (std::uint64_t i = 0; i < count; ++i) futures_.push_back(client.submit(slow_square, i, ms));
  }
  void wait_for_half() {
    EXPECT_TRUE(wait_until([this] { return client_.stats().done - before_ >= futures_.size() / 2; }));
  }
  /// Every future has its value; tells which nodes gave them.
  std::set<std::string> check_all() {
    std::set<std::string> nodes;
    for (std::uint64_t i = 0; i < futures_.size(); ++i) {
      auto& future = futures_[i];
      if (!future.wait_for(2 * generous)) {
        ADD_FAILURE() << "job " << i << " is lost";
        return nodes;
      }
      nodes.insert(future.node());
      EXPECT_EQ(future.get(), i * i);
    }
    return nodes;
  }

 private:
  pp::client& client_;
  std::uint64_t before_;
  std::vector<pp::future<std::uint64_t>> futures_;
};

TEST(Failover, ANodeKilledUnderLoadLosesNothing) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b"), d = c.start_node("node-c");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 3));
  batch jobs(client, 1000);
  jobs.wait_for_half();
  b->kill();
  jobs.check_all();
  const auto stats = client.stats();
  EXPECT_EQ(stats.done, 1000U);
  EXPECT_EQ(stats.failed, 0U);
  EXPECT_GT(stats.rescheduled, 0U);
  EXPECT_EQ(stats.retried, 0U) << "the loss of a node is not held against its jobs";
}

TEST(Failover, AStoppedNodeIsDeadAndComesBackWhenItGoesOn) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  pp::client client(c.impatient_options());
  ASSERT_TRUE(has_nodes(client, 2));
  batch jobs(client, 400);
  jobs.wait_for_half();
  b->stop();
  jobs.check_all();
  EXPECT_GT(client.stats().rescheduled, 0U);

  b->resume();
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-b").state == "ready"; })) << client.discovery().text();
  batch more(client, 200);
  EXPECT_EQ(more.check_all().count("node-b"), 1U) << "it is used again";
  EXPECT_EQ(client.stats().done, 600U) << "late results were dropped";
}

TEST(Failover, ANodeThatComesBackIsUsedWithinFiveSeconds) {
  const cluster c;
  node::parameters p;
  p.name = "node-b";
  const auto a = c.start_node("node-a");
  auto b = c.start_node(p);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  p.port = b->port();
  b->kill();
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-b").state != "ready"; }));
  b = c.start_node(p);
  const auto came_back = std::chrono::steady_clock::now();
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-b").state == "ready"; }));
  const auto took = std::chrono::steady_clock::now() - came_back;
  EXPECT_LE(took, is_sanitized ? 20s : 5s);
  EXPECT_EQ(batch(client, 200).check_all().count("node-b"), 1U);
}

TEST(Failover, AStaticNodeThatComesBackIsUsedWithinFiveSeconds) {
  const cluster c;
  node::parameters p;
  p.name = "node-b";
  auto b = c.start_node(p);
  auto options = c.client_options();
  options.discovery = false;
  options.nodes = {b->address()};
  pp::client client(options);
  ASSERT_TRUE(has_nodes(client, 1));
  p.port = b->port();
  b->kill();
  batch jobs(client, 20);
  b = c.start_node(p);
  const auto came_back = std::chrono::steady_clock::now();
  jobs.check_all();
  EXPECT_LE(std::chrono::steady_clock::now() - came_back, is_sanitized ? 20s : 6s);
}

TEST(Failover, ANodeThatJoinsWhileJobsWaitIsUsedAtOnce) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  batch jobs(client, 400, 20);
  const auto b = c.start_node("node-b", 2);
  EXPECT_EQ(jobs.check_all().count("node-b"), 1U);
}

TEST(Failover, ADrainLosesNothingAndEndsWithStatusZero) {
  const cluster c;
  const auto a = c.start_node("node-a");
  for (int round = 0; round < 3; ++round) {
    const auto b = c.start_node("node-b");
    pp::client client(c.client_options());
    ASSERT_TRUE(has_nodes(client, 2));
    batch jobs(client, 300);
    jobs.wait_for_half();
    b->terminate();
    jobs.check_all();
    EXPECT_EQ(b->process().wait(), (exit_state{0, 0})) << b->log();
    EXPECT_EQ(client.stats().retried, 0U);
    EXPECT_EQ(client.stats().done, 300U);
  }
}

TEST(Failover, RestartingNodesOneAfterAnotherLosesNothing) {
  const cluster c;
  std::vector<std::unique_ptr<node>> nodes;
  for (const char* name : {"node-a", "node-b", "node-c"}) nodes.push_back(c.start_node(name));
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 3));
  batch jobs(client, 2000);
  for (auto& n : nodes) {
    n->terminate();
    ASSERT_EQ(n->process().wait(), (exit_state{0, 0})) << n->log();
    n = c.start_node(n->name());
  }
  jobs.check_all();
  EXPECT_EQ(client.stats().done, 2000U);
}

// --- a bad network ---------------------------------------------------------------------------------------------------

/// A client that reaches node-a only through a relay, and node-b directly.
struct relayed {
  relayed() : a(c.start_node("node-a")), b(c.start_node("node-b")), wire(a->port()) {
    auto options = c.impatient_options();
    options.discovery = false;
    options.nodes = {wire.address(), b->address()};
    client = std::make_unique<pp::client>(options);
    EXPECT_TRUE(has_nodes(*client, 2));
  }
  cluster c;
  std::unique_ptr<node> a, b;
  relay wire;
  std::unique_ptr<pp::client> client;
};

TEST(BadNetwork, ASilentConnectionIsDeadAndItsJobsRunElsewhere) {
  relayed r;
  batch jobs(*r.client, 400);
  jobs.wait_for_half();
  r.wire.stall(true);
  jobs.check_all();
  EXPECT_GT(r.client->stats().rescheduled, 0U);
  r.wire.stall(false);
  EXPECT_TRUE(wait_until([&] { return find_node(*r.client, "node-a").state == "ready"; }));
}

TEST(BadNetwork, AResetConnectionIsMadeAgain) {
  relayed r;
  for (int round = 0; round < 5; ++round) {
    batch jobs(*r.client, 100);
    jobs.wait_for_half();
    r.wire.cut_now();
    jobs.check_all();
    ASSERT_TRUE(wait_until([&] { return find_node(*r.client, "node-a").state == "ready"; })) << round;
  }
}

TEST(BadNetwork, AConnectionCutAtAnyByteLosesNothing) {
  relayed r;
  for (const std::uint64_t byte : {1U, 300U, 1000U, 5000U}) {
    for (const auto direction : {relay::direction::to_target, relay::direction::to_client}) {
      r.wire.cut_at(direction, r.wire.bytes(direction) + byte);
      batch jobs(*r.client, 60);
      jobs.check_all();
      r.wire.cut_at(direction, ~std::uint64_t{0});
      ASSERT_TRUE(wait_until([&] { return find_node(*r.client, "node-a").state == "ready"; })) << byte;
    }
  }
  EXPECT_EQ(r.client->stats().failed, 0U);
}

TEST(BadNetwork, AFlippedBitNeverBecomesAWrongResult) {
  relayed r;
  for (const std::uint64_t byte : {1U, 77U, 400U, 2000U}) {
    for (const auto direction : {relay::direction::to_target, relay::direction::to_client}) {
      r.wire.flip_bit_at(direction, r.wire.bytes(direction) + byte);
      batch jobs(*r.client, 60);
      jobs.check_all();
      ASSERT_TRUE(wait_until([&] { return find_node(*r.client, "node-a").state == "ready"; })) << byte;
    }
  }
  EXPECT_EQ(r.client->stats().failed, 0U);
}

}  // namespace
}  // namespace pp::test
