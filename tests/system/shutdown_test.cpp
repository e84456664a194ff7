// What is left behind: nothing. And what becomes of jobs in flight when their client goes.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

int twice(int n) { return 2 * n; }
int linger(int ms) {
  spend(std::chrono::milliseconds(ms));
  return ms;
}

TEST(Shutdown, ClosingAClientCompletesEveryFuture) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(client.submit(linger, 60'000));
  ASSERT_TRUE(wait_until([&] { return n->workers().size() == 2; }));
  client.close();
  for (auto& future : futures) {
    ASSERT_TRUE(future.ready());
    try {
      future.get();
      FAIL() << "a job of a minute was done";
    } catch (const pp::error& e) {
      EXPECT_EQ(e.code(), pp::errc::closed);
    }
  }
  EXPECT_THROW(static_cast<void>(client.submit(twice, 1)), pp::error);
  client.close();  // may be called again
}

std::size_t size_of(const std::string& text) { return text.size(); }

// The goodbye overtakes what is still to be written, and the node hangs up: closing must survive that.
TEST(Shutdown, ClosingWithLargeArgumentsOnTheirWayCompletesEveryFuture) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const std::string large(std::size_t{16} << 20U, 'x');
  std::vector<pp::future<std::size_t>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(client.submit(size_of, large));
  client.close();
  for (auto& future : futures) EXPECT_TRUE(future.ready());
}

TEST(Shutdown, FuturesOutliveTheirClient) {
  const cluster c;
  const auto n = c.start_node();
  pp::future<int> done, never;
  {
    pp::client client(c.client_options());
    done = client.submit(twice, 4);
    done.wait();
    never = client.submit(linger, 60'000);
  }
  EXPECT_EQ(done.get(), 8);
  EXPECT_THROW(never.get(), pp::error);
}

TEST(Shutdown, AClientMayBeClosedTheMomentItWasMade) {
  const cluster c;
  const auto n = c.start_node();
  for (int i = 0; i < 100; ++i) {
    pp::client client(c.client_options());
    if (i % 2 == 1) client.close();
  }
}

TEST(Shutdown, AnAbandonedFutureDoesNotDisturb) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  for (int i = 0; i < 100; ++i) static_cast<void>(client.submit(twice, i));
  EXPECT_EQ(client.submit(twice, 5).get(), 10);
  EXPECT_TRUE(wait_until([&] { return client.stats().done == 101; }));
}

TEST(Shutdown, AClientLeavesNoProcessThreadOrDescriptor) {
  const cluster c;
  const auto n = c.start_node();
  { pp::client warm_up(c.client_options()); }  // libraries open things once
  const auto descriptors = open_descriptors(), threads = thread_count();
  const auto processes = descendants_of(getpid()).size() - n->workers().size();
  for (int round = 0; round < 3; ++round) {
    auto options = c.client_options();
    options.local = 2;
    pp::client client(options);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
  }
  EXPECT_TRUE(wait_until([&] { return open_descriptors() == descriptors; }))
      << open_descriptors() << " != " << descriptors;
  EXPECT_TRUE(wait_until([&] { return thread_count() == threads; }));
  EXPECT_TRUE(wait_until([&] { return descendants_of(getpid()).size() - n->workers().size() == processes; }));
}

TEST(Shutdown, ANodeLeavesNoProcessFileOrSocket) {
  const cluster c;
  auto n = c.start_node();
  {
    pp::client client(c.client_options());
    std::vector<pp::future<int>> futures;
    for (int i = 0; i < 100; ++i) futures.push_back(client.submit(twice, i));
    for (auto& future : futures) future.get();
  }
  const auto workers = n->workers();
  const auto port = n->port();
  n->terminate();
  EXPECT_EQ(n->process().wait(), (exit_state{0, 0})) << n->log();
  EXPECT_TRUE(wait_until_gone(workers));
  EXPECT_FALSE(is_port_bound("tcp", port));
  EXPECT_FALSE(is_port_bound("udp", c.discovery_port()));
  EXPECT_EQ(files_below(c.directory() / "tmp"), std::vector<std::string>{});
  for (const auto& file : files_below(n->cache_directory())) {
    const auto path = n->cache_directory() / file;
    const std::string name = path.filename();
    const bool program = name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
    EXPECT_TRUE(program || std::filesystem::is_directory(path) || std::filesystem::is_empty(path)) << file;
  }
}

TEST(Shutdown, AKilledNodeTakesItsWorkersAlong) {
  const cluster c;
  const auto n = c.start_node();
  auto options = c.client_options();
  pp::client client(options);
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(client.submit(linger, 60'000));
  ASSERT_TRUE(wait_until([&] { return n->workers().size() == 2; }));
  const auto workers = n->workers();
  n->kill();
  EXPECT_TRUE(wait_until_gone(workers));
}

/// Leaves a file that is named after its process, so that the test knows who runs.
int linger_visibly(const std::string& directory) {
  write_file(std::filesystem::path(directory) / std::to_string(getpid()), "");
  return linger(60'000);
}

int submit_and_hang() {
  pp::client client;
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < 10; ++i)
    futures.push_back(client.submit(linger_visibly, std::string(std::getenv("PP_TEST_RUNNING"))));
  return futures[0].get();
}

/// Waits until two jobs run; tells their processes.
std::vector<pid_t> running_jobs(const std::filesystem::path& directory) {
  EXPECT_TRUE(wait_until([&] { return files_below(directory).size() == 2; }));
  std::vector<pid_t> pids;
  for (const auto& name : files_below(directory)) pids.push_back(std::stoi(name));
  return pids;
}
const client_program hanging("hanging", submit_and_hang);

TEST(Shutdown, TheJobsOfADeadClientAreKilledAndTheirSlotsFree) {
  cluster c;
  const temporary_directory running;
  c.set("PP_LOCAL_WORKERS", "0");
  c.set("PP_TEST_RUNNING", running.path().string());
  const auto n = c.start_node("node-a", 2);
  child_process dying(c.program("hanging"));
  const auto workers = running_jobs(running.path());
  dying.signal(SIGKILL);
  EXPECT_TRUE(wait_until_gone(workers, is_sanitized ? 20s : 5s)) << n->log();
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(twice, 3).get(), 6);
}

TEST(Shutdown, LocalWorkersDieWithAKilledClient) {
  cluster c;
  const temporary_directory running;
  c.set("PP_LOCAL_WORKERS", "2");
  c.set("PP_DISCOVERY", "off");
  c.set("PP_TEST_RUNNING", running.path().string());
  child_process dying(c.program("hanging"));
  const auto workers = running_jobs(running.path());
  dying.signal(SIGKILL);
  EXPECT_TRUE(wait_until_gone(workers));
}

TEST(Shutdown, AnIdleDrainIsQuick) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(twice, 1).get(), 2);
  n->terminate();
  EXPECT_EQ(n->process().wait(is_sanitized ? 30s : 10s), (exit_state{0, 0})) << n->log();
}

TEST(Shutdown, ASecondSignalDoesNotWaitForRunningJobs) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  auto job = client.submit(linger, 60'000);
  ASSERT_TRUE(wait_until([&] { return n->workers().size() == 1; }));
  n->terminate();
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-a").state != "ready"; }));
  n->terminate();
  EXPECT_TRUE(n->process().wait(is_sanitized ? 30s : 10s).has_value());
}

}  // namespace
}  // namespace pp::test
