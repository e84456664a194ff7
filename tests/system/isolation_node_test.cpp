// What a real node keeps its clients' jobs from, whether it says so, and how it refuses to start.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

#include "code/descriptor.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "worker/landlock.hpp"

namespace pp::test {
namespace {

int try_to_open(const std::string& path, int flags) {
  const code::descriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  return file ? 0 : errno;
}
int try_to_kill(int pid) { return ::kill(pid, 0) == 0 ? 0 : errno; }
int priority() { return ::getpriority(PRIO_PROCESS, 0); }

int write_nowhere(volatile int* where) {
  *where = 1;
  return 0;
}
int crash() { return write_nowhere(reinterpret_cast<volatile int*>(8)); }
/// In the working directory and by the name of TMPDIR, which must be the same.
int use_own_directory() {
  if (const int failed = try_to_open("here", O_WRONLY | O_CREAT); failed != 0) return failed;
  return try_to_open(std::string(std::getenv("TMPDIR")) + "/here", O_RDONLY);
}

std::unique_ptr<node> start_isolated(const cluster& c, std::vector<std::string> extra) {
  node::parameters p;
  p.workers = 1;
  p.extra = std::move(extra);
  return c.start_node(p);
}

nlohmann::json statistics_of(node& n) {
  n.process().signal(SIGUSR1);
  EXPECT_TRUE(n.process().wait_for_err("\"sessions\"")) << n.log();
  EXPECT_TRUE(wait_until([&] { return n.log().back() == '\n'; }));
  const auto log = n.log();
  const auto end = log.find_last_not_of('\n');
  return nlohmann::json::parse(log.substr(log.rfind('\n', end) + 1));
}

bool kernel_has(int abi) { return worker::landlock_abi() >= abi; }

TEST(PpserverIsolation, KeepsJobsFromKeyStoreAndNodeByDefault) {
  const cluster c;
  const auto n = c.start_node("node", 1);
  pp::client client(c.client_options());
  const int denied = kernel_has(2) ? EACCES : 0;
  EXPECT_EQ(client.submit(try_to_open, c.keyring().string(), O_RDONLY).get(), denied);
  EXPECT_EQ(client.submit(try_to_open, c.keyring().string(), O_WRONLY).get(), denied);
  EXPECT_EQ(client.submit(try_to_open, (n->cache_directory() / "pp" / "planted").string(), O_WRONLY | O_CREAT).get(),
            denied);
  const auto memory = "/proc/" + std::to_string(n->process().pid()) + "/mem";
  if (denied != 0) {
    EXPECT_EQ(client.submit(try_to_open, memory, O_RDWR).get(), EACCES);
  }
  EXPECT_EQ(client.submit(try_to_kill, n->process().pid()).get(), kernel_has(6) ? EPERM : 0);
  EXPECT_EQ(client.submit(try_to_open, (c.directory() / "made by a job").string(), O_WRONLY | O_CREAT).get(), 0);
}

TEST(PpserverIsolation, IsToldByStatistics) {
  const cluster c;
  const auto n = c.start_node("node", 1);
  const auto told = statistics_of(*n)["isolation"];
  EXPECT_EQ(told["level"], kernel_has(2) ? "basic" : "none");
  EXPECT_EQ(told["landlock_abi"], worker::landlock_abi());
  EXPECT_EQ(told["signals"], kernel_has(6));
  EXPECT_NE(n->log().find("\"event\":\"isolation\""), std::string::npos) << n->log();
}

TEST(PpserverIsolation, OfNoneIsWarnedAbout) {
  const cluster c;
  const auto n = start_isolated(c, {"--isolate", "none"});
  EXPECT_NE(n->log().find("not_isolated"), std::string::npos) << n->log();
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(try_to_open, c.keyring().string(), O_RDONLY).get(), 0);
}

TEST(PpserverIsolation, AsRootWithoutAJobUserIsWarnedAbout) {
  const cluster c;
  const auto n = c.start_node("node", 1);
  EXPECT_EQ(n->log().find("--job-user") != std::string::npos, ::geteuid() == 0) << n->log();
}

class PpserverIsolationLevel : public testing::TestWithParam<const char*> {};

TEST_P(PpserverIsolationLevel, HoldsInFullOrTheNodeDoesNotStart) {
  const cluster c;
  const std::string level = GetParam();
  node::parameters p;
  p.workers = 1;
  p.extra = {"--isolate", level};
  p.wait_until_ready = false;
  const auto n = c.start_node(p);
  ASSERT_TRUE(wait_until([&] { return n->is_ready() || !n->process().is_running(); }));
  if (!n->is_ready()) {
    EXPECT_EQ(n->process().wait(), (exit_state{78, 0}));
    EXPECT_NE(n->log().find("--isolate " + level + " cannot be had on this machine: "), std::string::npos) << n->log();
    return;
  }
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(try_to_open, std::string("/etc/passwd"), O_RDONLY).get(), 0);
  EXPECT_EQ(client.submit(try_to_open, c.keyring().string(), O_RDONLY).get(), EACCES);
  EXPECT_EQ(client.submit(try_to_open, (c.directory() / "made").string(), O_WRONLY | O_CREAT).get(), EACCES);
  EXPECT_EQ(client.submit(use_own_directory).get(), 0);
  try {
    client.submit({.attempts = 1}, crash).get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.signal(), SIGSEGV);
    EXPECT_FALSE(e.job()->stack.empty()) << e.report();
  }
  EXPECT_EQ(client.submit(use_own_directory).get(), 0);
  EXPECT_EQ(statistics_of(*n)["isolation"]["level"], level);
  const auto workers = n->workers();
  EXPECT_FALSE(workers.empty());
  n->kill();
  EXPECT_TRUE(wait_until_gone(workers)) << "they die with their node, whose number they may not see";
}
INSTANTIATE_TEST_SUITE_P(Levels, PpserverIsolationLevel, testing::Values("landlock", "sandbox"),
                         [](const auto& level) { return std::string(level.param); });

TEST(PpserverJobUser, IsWhoJobsRunAsOrRefusedToOrdinaryUsers) {
  const cluster c;
  node::parameters p;
  p.workers = 1;
  p.extra = {"--job-user", "nobody"};
  p.wait_until_ready = ::geteuid() == 0;
  const auto n = c.start_node(p);
  if (::geteuid() != 0) {
    EXPECT_EQ(n->process().wait(), (exit_state{78, 0}));
    EXPECT_NE(n->log().find("only root can run jobs as another user"), std::string::npos) << n->log();
    return;
  }
  pp::client client(c.client_options());
  EXPECT_NE(client.submit([] { return static_cast<unsigned>(::getuid()); }).get(), 0U);
  EXPECT_EQ(client.submit([] { return std::string(std::getenv("USER")); }).get(), "nobody");
  EXPECT_EQ(client.submit(use_own_directory).get(), 0);
  EXPECT_EQ(client.submit(try_to_open, c.keyring().string(), O_RDONLY).get(), EACCES);
}

TEST(PpserverNice, LowersThePriorityOfJobs) {
  const cluster c;
  const int own = priority();
  const auto n = start_isolated(c, {"--nice", "7"});
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(priority).get(), std::min(19, own + 7));
}

}  // namespace
}  // namespace pp::test
