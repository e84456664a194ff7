// Nodes and clients that find each other, or say why they do not.
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/network_pair.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }
int process_id() { return getpid(); }

TEST(Finding, TwoNodesOnLoopbackAreFoundAndUsed) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(client.submit(twice, i));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), 2 * i);
  for (const auto* n : {a.get(), b.get()}) {
    const auto info = find_node(client, n->name());
    EXPECT_EQ(info.state, "ready");
    EXPECT_EQ(info.id, n->id());
    EXPECT_EQ(info.address, n->address());
    EXPECT_EQ(info.slots, 2U);
    EXPECT_FALSE(info.version.empty());
    EXPECT_THAT(info.platform, HasSubstr("glibc"));
    EXPECT_GT(info.jobs_done, 0U);
  }
}

TEST(Finding, AClientThatStartsFirstFindsANodeThatComesLater) {
  const cluster c;
  pp::client client(c.client_options());
  auto waiting = client.submit(twice, 4);
  const auto n = c.start_node();
  EXPECT_EQ(waiting.get(), 8);
}

TEST(Finding, AnotherKeyIsNotUsedAndTheReportSaysSo) {
  const cluster c, stranger;
  const auto n = c.start_node();
  auto options = c.client_options();
  options.secret_file = stranger.keyring().string();
  options.no_nodes_timeout = 3s;
  pp::client client(options);
  try {
    client.submit(twice, 1).get();
    FAIL() << "a job ran on a node with another key";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::no_nodes);
    EXPECT_THAT(e.what(), HasSubstr("another key"));
  }
}

TEST(Finding, AnotherKeyIsRefusedByANodeGivenByAddress) {
  const cluster c, stranger;
  const auto n = c.start_node();
  auto options = c.client_options();
  options.discovery = false;
  options.nodes = {n->address()};
  options.secret_file = stranger.keyring().string();
  options.no_nodes_timeout = 3s;
  pp::client client(options);
  auto job = client.submit(twice, 1);
  ASSERT_TRUE(wait_until([&] { return client.nodes().at(0).state == "refused"; }));
  EXPECT_FALSE(client.nodes().at(0).reason.empty());
  EXPECT_THROW(job.get(), pp::error);
  EXPECT_EQ(client.stats().code_bytes_sent, 0U) << "nothing of the program may leave before the proof";
}

TEST(Finding, NothingThereIsSaidWithinItsTimeLimitAndWithReasons) {
  const cluster c;
  auto options = c.client_options();
  options.no_nodes_timeout = 1s;
  pp::client client(options);
  const auto start = std::chrono::steady_clock::now();
  try {
    client.submit(twice, 1).get();
    FAIL() << "there is no node";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::no_nodes);
    EXPECT_EQ(e.code(), pp::condition::retryable);
    EXPECT_THAT(e.what(), HasSubstr("lo"));
    EXPECT_THAT(e.what(), HasSubstr(std::to_string(c.discovery_port())));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, 900ms);
  const auto report = client.discovery();
  EXPECT_TRUE(report.enabled);
  EXPECT_EQ(report.key_id.size(), 16U);
  EXPECT_EQ(report.port, c.discovery_port());
  EXPECT_EQ(report.keyring, c.keyring().string());
  ASSERT_EQ(report.interfaces.size(), 1U);
  EXPECT_THAT(report.interfaces[0], HasSubstr("127.255.255.255"));
}

TEST(Finding, NodesCanBeGivenByAddress) {
  const cluster c;
  node::parameters p;
  p.extra = {"--no-discovery"};
  const auto n = c.start_node(p);
  auto options = c.client_options();
  options.discovery = false;
  options.nodes = {n->address()};
  pp::client client(options);
  EXPECT_EQ(client.submit(twice, 2).get(), 4);
}

TEST(Finding, NodesCanBeGivenInTheEnvironment) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  setenv("PP_NODES", (a->address() + "," + b->address()).c_str(), 1);
  auto options = c.client_options();
  options.discovery = false;
  pp::client client(options);
  unsetenv("PP_NODES");
  EXPECT_TRUE(has_nodes(client, 2));
  EXPECT_EQ(client.submit(twice, 3).get(), 6);
}

TEST(Finding, ANodeFoundAndGivenIsOneNode) {
  const cluster c;
  const auto n = c.start_node("node-a");
  auto options = c.client_options();
  options.nodes = {n->address()};
  pp::client client(options);
  ASSERT_TRUE(has_nodes(client, 1));
  EXPECT_FALSE(client.wait_for_nodes(2, 2s));
  EXPECT_EQ(client.submit(twice, 5).get(), 10);
}

// --- local workers ---------------------------------------------------------------------------------------------------

TEST(LocalWorkers, RunJobsWithoutAnyNodeOrKey) {
  pp::options options;
  options.local = 2;
  options.discovery = false;
  pp::client client(options);
  std::set<int> pids;
  for (int i = 0; i < 50; ++i) pids.insert(client.submit(process_id).get());
  EXPECT_EQ(pids.count(getpid()), 0U) << "never in the client's own process";
  const auto local = client.nodes().at(0);
  EXPECT_EQ(local.name, "local");
  EXPECT_EQ(local.slots, 2U);
}

TEST(LocalWorkers, AutomaticOnesGiveWayToANodeOfThisMachine) {
  const cluster c;
  const auto n = c.start_node("node-a");
  auto options = c.client_options();
  options.local = pp::local_workers::automatic();
  pp::client client(options);
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-a").state == "ready"; }));
  ASSERT_TRUE(wait_until([&] { return find_node(client, "local").slots == 0; }));
  EXPECT_TRUE(wait_until([&] { return descendants_of(getpid()).size() <= 1 + n->workers().size(); }));
  for (int i = 0; i < 20; ++i) {
    auto future = client.submit(twice, i);
    EXPECT_EQ(future.node(), "node-a");
    EXPECT_EQ(future.get(), 2 * i);
  }
}

TEST(LocalWorkers, AutomaticOnesAreThereWhenNoNodeIs) {
  const cluster c;
  auto options = c.client_options();
  options.local = pp::local_workers::automatic();
  pp::client client(options);
  auto future = client.submit(twice, 1);
  EXPECT_EQ(future.node(), "local");
  EXPECT_EQ(future.get(), 2);
}

TEST(LocalWorkers, ZeroMeansNodesOnly) {
  const cluster c;
  auto options = c.client_options();
  options.no_nodes_timeout = 1s;
  pp::client client(options);
  EXPECT_THROW(client.submit(twice, 1).get(), pp::error);
}

// --- network namespaces ----------------------------------------------------------------------------------------------

int use_two_nodes() {
  pp::client client;
  if (!client.wait_for_nodes(1, generous)) {
    std::fprintf(stderr, "%s", client.discovery().text().c_str());
    return 1;
  }
  int wrong = 0;
  for (int i = 0; i < 100; ++i) wrong += client.submit(twice, i).get() == 2 * i ? 0 : 1;
  for (const auto& n : client.nodes()) std::printf("%s %s %s\n", n.name.c_str(), n.address.c_str(), n.state.c_str());
  return wrong;
}
const client_program find_across("find_across", use_two_nodes);

TEST(Finding, AcrossAPairOfNetworkNamespaces) {
  if (!network_pair::is_possible()) GTEST_SKIP() << "making network namespaces needs root";
  cluster c;
  const network_pair network;
  c.set("PP_INTERFACES", "");
  c.set("PP_LOCAL_WORKERS", "0");
  node::parameters p;
  p.name = "far-away";
  p.prefix = network.enter(1);
  const auto n = c.start_node(p);
  EXPECT_THAT(n->address(), HasSubstr(network_pair::address(1) + ":"));

  auto start = c.program("find_across");
  auto arguments = network.enter(0);
  arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
  start.arguments = arguments;
  const auto ran = run_program(start);
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err << n->log();
  EXPECT_THAT(ran.out, HasSubstr("far-away " + n->address() + " ready"));
}

TEST(Finding, PpInterfacesKeepsANodeOffTheOtherInterfaces) {
  if (!network_pair::is_possible()) GTEST_SKIP() << "making network namespaces needs root";
  cluster c;
  const network_pair network;
  c.set("PP_LOCAL_WORKERS", "0");
  node::parameters p;
  p.prefix = network.enter(1);
  const auto n = c.start_node(p);  // PP_INTERFACES=lo is the cluster's default
  EXPECT_THAT(n->address(), HasSubstr("127.0.0.1:"));

  auto start = c.command({PP_CLIENT_PROGRAM, "--node", network_pair::address(1) + ":" + std::to_string(n->port()),
                          "--wait", "3", "-i", network_pair::interface(0), "nodes"});
  auto arguments = network.enter(0);
  arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
  start.arguments = arguments;
  const auto ran = run_program(start);
  EXPECT_EQ(ran.end, (exit_state{69, 0})) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr(network_pair::interface(0)));
}

}  // namespace
}  // namespace pp::test
