// Jobs that wait for others, and what happens to them meanwhile: clients that are closed, nodes that die, futures that are given
// up, groups that are cancelled, results that a journal has.
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }
int add_one(int n) { return n + 1; }
double half(double n) { return n / 2; }
int wait_for_file(const std::string& file, int n) {
  return wait_until([&] { return std::filesystem::exists(file); }) ? n : -1;
}
int note(const std::string& file, int n) {
  std::ofstream(file, std::ios::app) << n << '\n';
  return n;
}
long lines_of(const std::string& file) {
  std::ifstream in(file);
  return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
}

class DependenciesLife : public ::testing::Test {
 protected:
  pp::options local() const {
    auto o = cluster_.client_options();
    o.discovery = false;
    o.local = 2;
    return o;
  }
  std::string file(const std::string& name) const { return (cluster_.directory() / name).string(); }
  void make_file(const std::string& name) const { std::ofstream(file(name)) << "x"; }
  pp::future<int> blocked(pp::client& client, const std::string& name, int n) const {
    return client.submit(wait_for_file, file(name), n);
  }
  template <class R>
  static pp::errc code_of(pp::future<R>& job) {
    try {
      job.get();
    } catch (const pp::error& e) {
      return static_cast<pp::errc>(e.code().value());
    }
    return pp::errc{};
  }

  const cluster cluster_;
};

TEST_F(DependenciesLife, WaitingForAllOrAGroupTakesThoseThatWaitInToo) {
  pp::client client(local());
  auto gate = blocked(client, "go", 1);
  auto job = client.submit({.group = "late"}, add_one, gate);
  EXPECT_FALSE(client.wait("late", 1ms));
  EXPECT_FALSE(client.wait(1ms));
  make_file("go");
  EXPECT_TRUE(client.wait("late", generous));
  EXPECT_TRUE(job.ready());
  EXPECT_EQ(job.get(), 2);
}

TEST_F(DependenciesLife, AGroupIsCancelledWithThoseThatWait) {
  pp::client client(local());
  auto gate = blocked(client, "go", 1);
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 20; ++i) jobs.push_back(client.submit({.group = "late"}, add, gate, i));
  EXPECT_EQ(client.cancel_group("late"), 20U);
  for (auto& j : jobs) EXPECT_EQ(code_of(j), pp::errc::cancelled);
  EXPECT_EQ(client.stats().waiting, 0U);
  make_file("go");
  EXPECT_EQ(gate.get(), 1);
}

TEST_F(DependenciesLife, ClosingEndsWhatWaits) {
  pp::client client(local());
  auto gate = blocked(client, "never", 1);
  std::vector<pp::future<double>> jobs;
  jobs.push_back(client.submit(half, gate));
  for (int i = 0; i < 100; ++i) jobs.push_back(client.submit(half, jobs.back()));
  client.close();
  for (auto& j : jobs) EXPECT_EQ(code_of(j), pp::errc::closed);
  EXPECT_THROW(client.submit(add_one, 1).get(), pp::error);
}

// Some of them are being sent, some are being assembled, most wait.
TEST_F(DependenciesLife, ClosingInTheMiddleLeavesEachWithAValueOrAnError) {
  for (int round = 0; round < 5; ++round) {
    pp::client client(local());
    std::vector<pp::future<int>> ints;
    std::vector<pp::future<double>> halves;
    ints.push_back(client.submit(add_one, 0));
    for (int i = 0; i < 200; ++i) {
      halves.push_back(client.submit(half, ints.back()));
      ints.push_back(client.submit(add, ints.back(), halves.back()));
    }
    ints[static_cast<std::size_t>(round) * 5].wait();
    client.close();
    for (auto& j : ints) {
      const auto code = code_of(j);
      EXPECT_TRUE(code == pp::errc{} || code == pp::errc::closed) << static_cast<int>(code);
    }
    for (auto& j : halves) {
      const auto code = code_of(j);
      EXPECT_TRUE(code == pp::errc{} || code == pp::errc::closed) << static_cast<int>(code);
    }
  }
}

TEST_F(DependenciesLife, FuturesThatAreGivenUpStillFeedTheirJobs) {
  pp::client client(local());
  std::vector<pp::future<int>> last;
  for (int i = 0; i < 100; ++i) {
    auto a = client.submit(add_one, i);
    auto b = client.submit(add, a, a);
    last.push_back(client.submit(add, b, 1));
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(last[static_cast<std::size_t>(i)].get(), 2 * i + 3);
}

TEST_F(DependenciesLife, JobsThatWaitDoNotBlockWhatTheyWaitFor) {
  auto o = local();
  o.max_pending_bytes = 1U << 20U;
  pp::client client(o);
  using text = std::vector<char>;
  const auto make = [](int n) { return text(100'000, static_cast<char>(n)); };
  const auto more = [](const text& t, const text& given) { return text(t.size(), static_cast<char>(t[0] + given[0])); };
  auto last = client.submit(make, 0);
  for (int i = 0; i < 100; ++i) last = client.submit(more, std::move(last), text(100'000, 1));
  EXPECT_EQ(last.get()[7], 100);
}

TEST_F(DependenciesLife, AnInputThatDiesWithItsNodeIsRunAgain) {
  const auto a = cluster_.start_node("node-a", 1);
  pp::client client(cluster_.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto hold = [](const std::string& begun, const std::string& go) {
    note(begun, 1);
    return wait_for_file(go, 5);
  };
  auto input = client.submit(hold, file("begun"), file("go"));
  auto job = client.submit(add, input, 1);
  ASSERT_TRUE(wait_until([&] { return lines_of(file("begun")) == 1; }));
  const auto b = cluster_.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(client, 2));
  a->kill();
  EXPECT_TRUE(wait_until([&] { return lines_of(file("begun")) == 2; }));
  make_file("go");
  EXPECT_EQ(job.get(), 6);
  EXPECT_EQ(input.get(), 5);
}

TEST_F(DependenciesLife, AnInputThatIsLostForGoodFailsItsJobs) {
  auto o = cluster_.client_options();
  o.attempts = 1;
  o.discovery = false;
  o.local = 1;
  pp::client client(o);
  auto input = client.submit([]() -> int { ::abort(); });
  auto job = client.submit(add, input, 1);
  try {
    job.get();
    FAIL() << "its input crashed";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::dependency_failed);
    EXPECT_EQ(e.job()->inputs.at(0).code, pp::errc::worker_crashed);
  }
}

TEST_F(DependenciesLife, TheJournalKnowsAJobByTheValuesOfItsInputs) {
  auto o = local();
  o.journal = file("journal");
  for (int run = 0; run < 2; ++run) {
    pp::client client(o);
    auto one = client.submit(note, file("notes"), 1);
    auto two = client.submit({.after = {one}}, note, file("notes"), 2);
    EXPECT_EQ(client.submit(add, one, std::move(two)).get(), 3);
    EXPECT_EQ(client.submit(note, file("notes"), client.submit(add_one, one)).get(), 2);
    EXPECT_EQ(client.stats().from_journal, run == 0 ? 0U : 5U);
    EXPECT_EQ(client.stats().waiting, 0U);
  }
  EXPECT_EQ(lines_of(file("notes")), 3) << "the second run had all of them";
}

TEST_F(DependenciesLife, ABroadcastTakesAFutureAsItsArgument) {
  const auto a = cluster_.start_node("node-a", 1), b = cluster_.start_node("node-b", 1);
  pp::client client(cluster_.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto one = client.submit(add_one, 0);
  auto all = client.broadcast(add, one, 2);
  ASSERT_EQ(all.size(), 2U);
  for (auto& [name, job] : all) EXPECT_EQ(job.get(), 3);
}

}  // namespace
}  // namespace pp::test
