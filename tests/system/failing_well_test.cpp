// What failing jobs cost their node and their neighbours: nothing. Each test names the number that it holds.
#include <fcntl.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using clock_type = std::chrono::steady_clock;

enum class way : int { segfault, abort, exit, kill };

int die(way how) {
  switch (how) {
    case way::segfault: raise(SIGSEGV); break;
    case way::abort: std::abort();
    case way::exit: _exit(3);
    case way::kill: kill(getpid(), SIGKILL); break;
  }
  for (;;) pause();
}
int twice(int n) { return 2 * n; }

/// Adds this process's number to a file that the test reads.
void note_pid(const std::string& file) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const auto line = std::to_string(getpid()) + "\n";
  if (write(fd, line.data(), line.size()) < 0) _exit(9);
  close(fd);
}

/// A child in a session of its own, whose parent is gone, and which only SIGKILL ends.
void leave_a_daemon(const std::string& file) {
  if (fork() != 0) return;
  setsid();
  if (fork() != 0) _exit(0);
  signal(SIGTERM, SIG_IGN);
  note_pid(file);
  for (;;) pause();
}

std::vector<pid_t> noted_pids(const std::string& file) {
  std::vector<pid_t> pids;
  std::istringstream in(read_file(file));
  for (pid_t pid = 0; in >> pid;) pids.push_back(pid);
  return pids;
}

int hang_with_a_daemon(const std::string& file) {
  signal(SIGTERM, SIG_IGN);
  leave_a_daemon(file);
  note_pid(file);
  for (;;) pause();
}

std::size_t resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

nlohmann::json status_of(pp::client& client, const std::string& node) {
  return nlohmann::json::parse(client.node_stats(node, generous));
}

/// From now until no job runs on the node any more.
bool wait_until_free(pp::client& observer, const std::string& node, std::chrono::milliseconds limit) {
  return wait_until(
      [&] {
        const auto s = status_of(observer, node);
        return s.at("running") == 0 && s.at("queued") == 0 && s.at("free") == s.at("slots");
      },
      limit);
}

pp::options observer_options(const cluster& c) {
  auto o = c.client_options();
  o.role = pp::role::observe;
  return o;
}

// 1,000 crashes of four kinds: the node is up, all its slots are back, the next job runs within 200 ms (median), and the
// node's memory has grown by less than 5 %.
TEST(FailingWell, AThousandCrashesLeaveTheNodeAsItWas) {
  const cluster c;
  const auto n = c.start_node("node-a", 2);
  pp::client client(c.client_options());
  const int crashes = is_sanitized ? 80 : 1000;
  std::vector<clock_type::duration> next_job;
  std::size_t before = 0;
  for (int i = 0; i < crashes; ++i) {
    EXPECT_THROW(client.submit({.attempts = 1}, die, static_cast<way>(i % 4)).get(), pp::job_error);
    const auto began = clock_type::now();
    EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
    next_job.push_back(clock_type::now() - began);
    if (i == crashes / 5) before = resident_kib(n->process().pid());
  }
  EXPECT_TRUE(wait_until_free(client, "node-a", generous));
  EXPECT_EQ(status_of(client, "node-a").at("jobs_crashed"), crashes);
  std::sort(next_job.begin(), next_job.end());
  EXPECT_LT(next_job[next_job.size() / 2], is_sanitized ? 2000ms : 200ms);
  if (!is_sanitized) {
    EXPECT_LT(resident_kib(n->process().pid()), before * 105 / 100);
  }
}

// A poison job: exactly 3 attempts, on different nodes, each told.
TEST(FailingWell, APoisonJobIsTriedOnEachOfThreeNodesAndNamesThem) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b"), d = c.start_node("node-c");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 3));
  try {
    client.submit({.label = "poison"}, die, way::segfault).get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::worker_crashed);
    EXPECT_EQ(e.signal(), SIGSEGV);
    EXPECT_EQ(e.attempts(), 3U);
    ASSERT_THAT(e.job()->attempts, SizeIs(3));
    std::set<std::string> nodes;
    for (const auto& one : e.job()->attempts) {
      nodes.insert(one.node);
      EXPECT_EQ(one.signal, SIGSEGV);
      EXPECT_GT(one.pid, 0);
    }
    EXPECT_THAT(nodes, SizeIs(3)) << e.report();
    EXPECT_THAT(e.report(), HasSubstr("poison"));
  }
  EXPECT_EQ(client.stats().retried, 2U);
}

// A job that ignores SIGTERM and double-forks: gone at most 2.5 s after its time limit, and no process is left.
TEST(FailingWell, AHangingTreeIsGoneSoonAfterItsTimeLimit) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  const auto file = (c.directory() / "pids").string();
  EXPECT_EQ(client.submit(twice, 1).get(), 2);  // the worker is there
  const auto limit = 1000ms, grace = is_sanitized ? 8000ms : 2500ms;
  const auto began = clock_type::now();
  try {
    client.submit({.timeout = limit}, hang_with_a_daemon, file).get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::timed_out);
  }
  EXPECT_GE(clock_type::now() - began, limit);
  const auto pids = noted_pids(file);
  ASSERT_THAT(pids, SizeIs(2));
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(began + limit + grace - clock_type::now());
  EXPECT_TRUE(wait_until_gone(pids, rest));
  EXPECT_EQ(client.submit(twice, 21).get(), 42);
}

/// Runs jobs that hang with a daemon each, until it is killed.
int load_forever() {
  auto o = pp::options();
  o.local = 0;
  pp::client client(o);
  const std::string file = std::getenv("PP_TEST_PIDS");
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 20; ++i) jobs.push_back(client.submit(hang_with_a_daemon, file));
  for (auto& job : jobs) job.wait();
  return 0;
}
const client_program load_program("failing_well_load", load_forever);

// 200 clients killed under load: the slots are free within 5 s, no process and no directory remains.
TEST(FailingWell, ClientsThatAreKilledLeaveNothingBehind) {
  const cluster c;
  node::parameters p;
  p.workers = 2;
  p.name = "node-a";
  p.extra = {"--keep-warm", "1"};  // a warm worker that waits for another client is none that was left behind
  const auto n = c.start_node(p);
  pp::client observer(observer_options(c));
  ASSERT_TRUE(has_nodes(observer, 1));
  const auto file = (c.directory() / "pids").string();
  std::size_t known = 0;
  for (int round = 0; round < (is_sanitized ? 20 : 200); ++round) {
    auto start = c.program("failing_well_load");
    start.environment["PP_TEST_PIDS"] = file;
    child_process client(start);
    ASSERT_TRUE(wait_until([&] { return noted_pids(file).size() >= known + 4; })) << client.err() << n->log();
    client.signal(SIGKILL);
    client.wait();
    ASSERT_TRUE(wait_until_free(observer, "node-a", is_sanitized ? 20000ms : 5000ms)) << "round " << round;
    known = noted_pids(file).size();
  }
  EXPECT_TRUE(wait_until_gone(noted_pids(file)));
  EXPECT_TRUE(wait_until([&] { return n->workers().empty(); }))
      << "workers of clients that are gone, or their children";
  EXPECT_TRUE(n->process().is_running());
}

}  // namespace
}  // namespace pp::test
