// Jobs that take their worker down: the job gets a clear error, the node and its other jobs go on.
#include <fcntl.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int die_by(int signal, const std::string& trace) {
  if (!trace.empty()) {
    const int fd = open(trace.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    [[maybe_unused]] const auto written = write(fd, "x", 1);
    close(fd);
  }
  std::fprintf(stderr, "about to die by %d\n", signal);
  kill(getpid(), signal);
  for (;;) pause();
}
int leave(int status) { _exit(status); }
int twice(int n) { return 2 * n; }
int process_id() { return getpid(); }

class WorkerCrash : public ::testing::TestWithParam<int> {};

TEST_P(WorkerCrash, FailsOnlyItsJobAndNamesTheSignal) {
  const cluster c;
  const auto n = c.start_node("node-a");
  pp::client client(c.client_options());
  std::vector<pp::future<int>> others;
  for (int i = 0; i < 50; ++i) others.push_back(client.submit(twice, i));
  auto doomed = client.submit(die_by, GetParam(), std::string());
  for (int i = 50; i < 100; ++i) others.push_back(client.submit(twice, i));
  try {
    doomed.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::worker_crashed);
    EXPECT_EQ(e.signal(), GetParam());
    EXPECT_EQ(e.node(), "node-a");
    EXPECT_EQ(e.attempts(), 3U);
    EXPECT_THAT(e.stderr_tail(), HasSubstr("about to die by " + std::to_string(GetParam())));
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(others[static_cast<std::size_t>(i)].get(), 2 * i);
  EXPECT_TRUE(n->process().is_running());
  EXPECT_EQ(client.submit(twice, 21).get(), 42);
}

std::string name_of(const ::testing::TestParamInfo<int>& signal) { return "Signal" + std::to_string(signal.param); }
INSTANTIATE_TEST_SUITE_P(Signals, WorkerCrash, ::testing::Values(SIGSEGV, SIGABRT, SIGKILL, SIGFPE), name_of);

TEST(Crash, AnExitInTheJobNamesTheStatus) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  try {
    client.submit(leave, 7).get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::worker_crashed);
    EXPECT_EQ(e.exit_code(), 7);
    EXPECT_EQ(e.signal(), 0);
  }
  EXPECT_EQ(client.submit(twice, 1).get(), 2);
}

TEST(Crash, APoisonJobIsTriedExactlyThreeTimes) {
  const cluster c;
  const auto a = c.start_node("node-a");
  const auto b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  const std::string trace = (c.directory() / "trace").string();
  EXPECT_THROW(client.submit(die_by, SIGSEGV, trace).get(), pp::job_error);
  EXPECT_EQ(read_file(trace), "xxx");
  EXPECT_EQ(client.stats().retried, 2U);
  EXPECT_EQ(client.stats().failed, 1U);
}

TEST(Crash, AttemptsIsAnOption) {
  const cluster c;
  const auto n = c.start_node();
  auto options = c.client_options();
  options.attempts = 1;
  pp::client client(options);
  const std::string trace = (c.directory() / "trace").string();
  EXPECT_THROW(client.submit(die_by, SIGABRT, trace).get(), pp::job_error);
  EXPECT_EQ(read_file(trace), "x");
}

TEST(Crash, AHundredInARowLeaveTheNodeAsItWas) {
  const cluster c;
  const auto n = c.start_node("node-a", 2);
  auto options = c.client_options();
  options.attempts = 1;
  pp::client client(options);
  const int rounds = is_sanitized ? 20 : 100;
  for (int i = 0; i < rounds; ++i) {
    EXPECT_THROW(client.submit(die_by, i % 2 == 0 ? SIGSEGV : SIGKILL, std::string()).get(), pp::job_error);
    EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
  }
  EXPECT_EQ(find_node(client, "node-a").slots, 2U);
  EXPECT_TRUE(wait_until([&] { return n->workers().size() <= 2; })) << "no process is left of those that crashed";
}

TEST(Crash, AnIdleWorkerThatIsKilledIsReplaced) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  const int first = client.submit(process_id).get();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  ASSERT_TRUE(wait_until_gone({first}));
  const int second = client.submit(process_id).get();
  EXPECT_NE(first, second);
}

TEST(Crash, ALocalWorkerIsNoDifferent) {
  auto options = cluster().client_options();
  options.discovery = false;
  options.local = 2;
  options.secret_file.clear();
  pp::client client(options);
  try {
    client.submit(die_by, SIGSEGV, std::string()).get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.signal(), SIGSEGV);
    EXPECT_EQ(e.node(), "local");
  }
  EXPECT_EQ(client.submit(twice, 4).get(), 8);
}

}  // namespace
}  // namespace pp::test
