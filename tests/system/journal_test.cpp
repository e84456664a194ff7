// options::journal: a batch goes on where it was when its client died, and a map finds its chunks again.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr int batch_jobs = is_sanitized ? 2000 : 10000;
constexpr int kills = is_sanitized ? 5 : 20;

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Leaves a line with its number and the time in the file; whole lines, whoever else writes.
int note(const std::string& file, int number) {
  spend(2ms);
  const std::string line = std::to_string(number) + " " + std::to_string(wall_ns()) + "\n";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    throw std::runtime_error("cannot write " + file);
  ::close(fd);
  return 3 * number;
}

struct execution {
  int number = 0;
  std::int64_t ended_ns = 0;
};
std::vector<execution> executions_in(const std::string& file) {
  std::istringstream text(read_file(file));
  std::vector<execution> all;
  for (execution e; text >> e.number >> e.ended_ns;) all.push_back(e);
  return all;
}

/// Notes every number once and checks the results; prints how many of them the journal had.
int run_batch() {
  auto o = pp::options();
  o.local = 0;
  o.journal = std::getenv("PP_TEST_JOURNAL");
  const std::string file = std::getenv("PP_TEST_NOTES");
  pp::client client(o);
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < batch_jobs; ++i) jobs.push_back(client.submit(note, file, i));
  for (int i = 0; i < batch_jobs; ++i) {
    if (jobs[static_cast<std::size_t>(i)].get() != 3 * i) return 2;
  }
  std::printf("from journal: %llu\n", static_cast<unsigned long long>(client.stats().from_journal));
  return 0;
}
const client_program batch("journal_batch", run_batch);

class JournalOf : public ::testing::Test {
 protected:
  pp::options with_journal() const {
    auto o = c.client_options();
    o.journal = journal;
    return o;
  }
  child_process::parameters batch_program() const {
    auto start = c.program("journal_batch");
    start.environment["PP_TEST_JOURNAL"] = journal;
    start.environment["PP_TEST_NOTES"] = notes;
    return start;
  }

  const cluster c;
  const std::string journal = (c.directory() / "journal").string();
  const std::string notes = (c.directory() / "notes").string();
};

// Killed 20 times at random points of 10,000 jobs: nothing is lost, and only what ended just before a kill runs again.
TEST_F(JournalOf, AKilledBatchGoesOnWhereItWas) {
  const auto n = c.start_node("node-a", 4);
  std::mt19937 random(20);
  std::uniform_int_distribution<int> jitter(0, batch_jobs / kills / 4);
  std::vector<std::int64_t> killed_ns;
  for (int i = 1; i <= kills; ++i) {
    child_process client(batch_program());
    const auto enough = executions_in(notes).size() + static_cast<std::size_t>(batch_jobs / kills / 2 + jitter(random));
    ASSERT_TRUE(wait_until([&] { return executions_in(notes).size() >= enough; })) << client.err();
    killed_ns.push_back(wall_ns());
    client.signal(SIGKILL);
    client.wait();
  }
  const auto last = run_program(batch_program(), 4 * generous);
  ASSERT_EQ(last.end, (exit_state{0, 0})) << last.err;

  std::vector<std::int64_t> first_end(batch_jobs, 0);
  std::size_t again = 0;
  // What a busy machine may need between a job's end and the journal, beyond the 100 ms.
  const std::int64_t slack = is_sanitized ? 5'000'000'000 : 400'000'000;
  for (const auto& e : executions_in(notes)) {
    ASSERT_GE(e.number, 0);
    ASSERT_LT(e.number, batch_jobs);
    auto& before = first_end[static_cast<std::size_t>(e.number)];
    if (before != 0) {
      ++again;
      const auto next_kill = std::lower_bound(killed_ns.begin(), killed_ns.end(), before);
      // A job that ended behind a kill was running when it came.
      const auto since = next_kill == killed_ns.end() ? 0 : *next_kill - before;
      const bool was_running = next_kill != killed_ns.begin() && before - *(next_kill - 1) < slack;
      EXPECT_TRUE(was_running || since <= 100'000'000 + slack)
          << "job " << e.number << " ended " << since << " ns before";
    }
    before = e.ended_ns;
  }
  EXPECT_EQ(std::count(first_end.begin(), first_end.end(), 0), 0) << "jobs that never ran";
  EXPECT_LT(again, static_cast<std::size_t>(batch_jobs) / 2);

  const auto runs = executions_in(notes).size();
  const auto once_more = run_program(batch_program());
  EXPECT_EQ(once_more.end, (exit_state{0, 0})) << once_more.err;
  EXPECT_THAT(once_more.out, HasSubstr("from journal: " + std::to_string(batch_jobs)));
  EXPECT_EQ(executions_in(notes).size(), runs) << "nothing is left to run";
}

int shout(const std::string& file, int number) {
  std::printf("job %d speaks\n", number);
  return note(file, number);
}
int fail_once(const std::string& file, int number) {
  note(file, number);
  if (executions_in(file).size() == 1) throw std::runtime_error("the first time");
  return number;
}
int noted_twice(const std::pair<std::string, int>& what) { return note(what.first, what.second); }

TEST_F(JournalOf, ResultsComeWithWhatTheirJobsPrinted) {
  const auto n = c.start_node("node-a");
  for (int run = 0; run < 2; ++run) {
    auto o = with_journal();
    o.echo_output = false;
    pp::client client(o);
    auto first = client.submit(shout, notes, 7), second = client.submit(shout, notes, 7);
    EXPECT_EQ(first.node(), run == 0 ? "node-a" : "journal");
    EXPECT_EQ(first.output().out, "job 7 speaks\n");
    EXPECT_EQ(first.get(), 21);
    EXPECT_EQ(second.get(), 21);
    EXPECT_EQ(client.stats().from_journal, run == 0 ? 0U : 2U);
  }
  EXPECT_EQ(executions_in(notes).size(), 2U) << "two equal calls are two calls";
}

TEST_F(JournalOf, ErrorsAreNotKept) {
  const auto n = c.start_node("node-a");
  {
    pp::client client(with_journal());
    EXPECT_THROW(client.submit(fail_once, notes, 1).get(), pp::job_error);
  }
  pp::client client(with_journal());
  EXPECT_EQ(client.submit(fail_once, notes, 1).get(), 1);
}

TEST_F(JournalOf, AMapFindsAllItsChunksAgain) {
  const auto n = c.start_node("node-a");
  std::vector<std::pair<std::string, int>> items;
  for (int i = 0; i < 2100; ++i) items.emplace_back(notes, i);
  std::vector<int> first, second;
  for (auto* results : {&first, &second}) {
    pp::client client(with_journal());
    *results = client.map(noted_twice, items);
  }
  EXPECT_EQ(first, second);
  EXPECT_EQ(executions_in(notes).size(), items.size());
}

TEST_F(JournalOf, TwoClientsCannotShareOne) {
  pp::client client(with_journal());
  try {
    pp::client other(with_journal());
    FAIL() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_option);
    EXPECT_THAT(e.what(), HasSubstr("is in use by another client"));
  }
}

}  // namespace
}  // namespace pp::test
