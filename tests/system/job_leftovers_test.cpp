// Jobs that hide processes and leave files: nothing of them is there when their worker, their client or their node is gone.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

namespace fs = std::filesystem;

/// Of all nodes here.
fs::path job_root(const cluster& c) { return fs::path(c.environment().at("XDG_CACHE_HOME")) / "jobs"; }
/// One of several that share it, as nodes of one user on one machine do.
std::unique_ptr<node> start_node(const cluster& c, const std::string& name, unsigned workers,
                                 const std::string& isolation = "basic") {
  node::parameters p;
  p.name = name;
  p.workers = workers;
  p.extra = {"--job-dir", job_root(c).string(), "--isolate", isolation};
  return c.start_node(p);
}

void note_pid(const std::string& file) {
  const auto text = std::to_string(getpid()) + "\n";
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  [[maybe_unused]] const auto written = write(fd, text.data(), text.size());
  close(fd);
}
[[noreturn]] void stay() {
  std::signal(SIGTERM, SIG_IGN);
  for (;;) pause();
}
std::vector<pid_t> pids_in(const fs::path& file) {
  std::istringstream text(read_file(file));
  std::vector<pid_t> pids;
  for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
  return pids;
}

/// A process that double-forked into sessions of its own and ignores SIGTERM. It is there when this returns.
void hide(const std::string& file) {
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    setsid();
    note_pid(file);
    stay();
  }
  waitpid(child, nullptr, 0);
}

int hide_and_return(const std::string& file) {
  const auto before = pids_in(file).size();
  hide(file);
  while (pids_in(file).size() == before) sched_yield();
  return 1;
}
int hide_and_hang(const std::string& file) {
  hide_and_return(file);
  note_pid(file);
  stay();
}
int hide_and_crash(const std::string& file) {
  hide_and_return(file);
  std::raise(SIGKILL);
  return 0;
}

struct surroundings_seen {
  std::string directory, temporary;
  std::size_t entries = 0;
  unsigned mode = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(directory, temporary, entries, mode);
  }
};
surroundings_seen look_around() {
  const auto entries = std::distance(fs::directory_iterator("."), fs::directory_iterator());
  return {fs::current_path(), std::getenv("TMPDIR"), static_cast<std::size_t>(entries),
          static_cast<unsigned>(fs::status(".").permissions())};
}
int litter() {
  fs::create_directories("a/b/c/d");
  std::ofstream("a/b/file") << "left";
  fs::create_symlink("/", "link");
  fs::permissions("a/b/c", fs::perms::none);
  fs::permissions(".", fs::perms::owner_read);
  fs::current_path("/");
  return 1;
}
int remove_own_directory() {
  fs::remove_all(fs::current_path());
  return 1;
}

const client_program hanging("leftovers_hang", [] {
  client c;
  return c.submit(hide_and_hang, std::string(std::getenv("TRACE"))).get();
});
const client_program loading("leftovers_load", [] {
  client c;
  for (;;) {
    std::vector<future<int>> all;
    for (int i = 0; i < 4; ++i) all.push_back(c.submit(hide_and_return, std::string(std::getenv("TRACE"))));
    for (auto& f : all) f.get();
  }
  return 0;
});

child_process::parameters program_with_trace(const cluster& c, const std::string& name, const fs::path& trace) {
  auto p = c.program(name);
  p.environment["TRACE"] = trace;
  p.environment["PP_LOCAL_WORKERS"] = "0";
  return p;
}

TEST(JobLeftovers, AHangThatHidesAndIgnoresSigtermGoesWithItsClient) {
  const cluster c;
  const auto n = start_node(c, "node-a", 1);
  const auto trace = c.directory() / "trace";
  child_process program(program_with_trace(c, "leftovers_hang", trace));
  ASSERT_TRUE(wait_until([&] { return pids_in(trace).size() == 2; })) << program.err();
  program.signal(SIGKILL);
  EXPECT_TRUE(wait_until_gone(pids_in(trace)));
  EXPECT_TRUE(n->process().is_running());
}

TEST(JobLeftovers, AWorkerThatIsKilledTakesHiddenChildrenAlong) {
  const cluster c;
  const auto n = start_node(c, "node-a", 1);
  const auto trace = c.directory() / "trace";
  auto options = c.client_options();
  options.attempts = 1;
  client own(options);
  auto doomed = own.submit(hide_and_hang, trace.string());
  ASSERT_TRUE(wait_until([&] { return pids_in(trace).size() == 2; }));
  kill(pids_in(trace).back(), SIGKILL);
  EXPECT_THROW(doomed.get(), job_error);
  EXPECT_TRUE(wait_until_gone(pids_in(trace)));
}

TEST(JobLeftovers, ACrashedWorkersHiddenChildrenEndBeforeTheJobFails) {
  const cluster c;
  const auto n = start_node(c, "node-a", 1);
  const auto trace = c.directory() / "trace";
  client own(c.client_options());
  EXPECT_THROW(own.submit(hide_and_crash, trace.string()).get(), job_error);
  EXPECT_EQ(pids_in(trace).size(), 3U) << "one for each attempt";
  EXPECT_TRUE(wait_until_gone(pids_in(trace)));
  EXPECT_TRUE(wait_until([&] { return files_below(job_root(c)).size() <= 3; })) << "of one worker at most";
}

TEST(JobLeftovers, ALocalWorkersHiddenChildrenEndToo) {
  const cluster c;
  const auto trace = c.directory() / "trace";
  auto options = c.client_options();
  options.discovery = false;
  options.local = 1;
  options.secret_file.clear();
  {
    client own(options);
    EXPECT_THROW(own.submit(hide_and_crash, trace.string()).get(), job_error);
    EXPECT_TRUE(wait_until_gone(pids_in(trace)));
    EXPECT_EQ(own.submit(hide_and_return, trace.string()).get(), 1);
  }
  EXPECT_EQ(pids_in(trace).size(), 4U);
  EXPECT_TRUE(wait_until_gone(pids_in(trace))) << "what an orderly worker leaves ends with it";
}

class JobDirectoryInUse : public ::testing::TestWithParam<const char*> {};

TEST_P(JobDirectoryInUse, IsEmptyWhenAJobStartsAndIsItsTmpdir) {
  const cluster c;
  const auto n = start_node(c, "node-a", 1, GetParam());
  const bool may_remove_it = std::string(GetParam()) == "none";
  {
    client own(c.client_options());
    for (int i = 0; i < 20; ++i) {
      own.submit(may_remove_it && i % 5 == 4 ? remove_own_directory : litter).get();
      const auto seen = own.submit(look_around).get();
      EXPECT_EQ(seen.directory, seen.temporary);
      EXPECT_EQ(fs::path(seen.directory).parent_path().parent_path(), fs::canonical(job_root(c)));
      EXPECT_EQ(seen.entries, 0U);
      EXPECT_EQ(seen.mode, 0700U);
    }
    own.submit(litter).get();
  }
  n->terminate();
  ASSERT_TRUE(n->process().wait());
  EXPECT_EQ(files_below(job_root(c)), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Isolation, JobDirectoryInUse, ::testing::Values("none", "basic", "landlock"),
                         [](const auto& level) { return std::string(level.param); });

TEST(JobLeftovers, ANodeEndsTheOrphansOfItsFormerSelfAndLeavesASiblingAlone) {
  const cluster c;
  auto former = start_node(c, "former", 1);
  const auto sibling = start_node(c, "sibling", 1);
  const auto trace = c.directory() / "trace", kept = c.directory() / "kept";
  client own(c.client_options());
  ASSERT_TRUE(has_nodes(own, 2));
  std::vector<future<int>> jobs;
  jobs.push_back(own.submit(hide_and_hang, trace.string()));
  jobs.push_back(own.submit(hide_and_hang, trace.string()));
  ASSERT_TRUE(wait_until([&] { return pids_in(trace).size() == 4; }));
  const auto of_sibling = descendants_of(sibling->process().pid());
  auto of_former = descendants_of(former->process().pid());
  ASSERT_EQ(of_sibling.size(), 2U);
  ASSERT_EQ(of_former.size(), 2U);
  former->kill();
  former = start_node(c, "former", 1);
  EXPECT_TRUE(wait_until_gone(of_former));
  for (const auto pid : of_sibling) EXPECT_TRUE(is_alive(pid));
  EXPECT_NE(former->log().find("swept"), std::string::npos) << former->log();
  EXPECT_TRUE(wait_until([&] {
    const auto boots = std::distance(fs::directory_iterator(job_root(c)), fs::directory_iterator());
    return boots == 4;
  })) << "a directory and a mark of each living node";
}

TEST(JobLeftovers, NothingIsLeftOfClientsThatAreKilledUnderLoad) {
  const cluster c;
  const auto n = start_node(c, "node-a", 2);
  const auto trace = c.directory() / "trace";
  const int rounds = is_sanitized ? 10 : 100;
  for (int i = 0; i < rounds; ++i) {
    const auto before = pids_in(trace).size();
    child_process program(program_with_trace(c, "leftovers_load", trace));
    ASSERT_TRUE(wait_until([&] { return pids_in(trace).size() >= before + 2; })) << program.err();
    program.signal(SIGKILL);
    program.wait();
  }
  n->terminate();
  ASSERT_TRUE(n->process().wait());
  EXPECT_TRUE(wait_until_gone(pids_in(trace)));
  EXPECT_EQ(files_below(job_root(c)), std::vector<std::string>());
}

}  // namespace
}  // namespace pp::test
