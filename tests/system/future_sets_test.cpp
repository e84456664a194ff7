// Many futures at once: waiting for all, for any, for a group; in the order of their end; progress and its bar.
#include <fcntl.h>
#include <unistd.h>
#include <cstdlib>

#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int add_one(int n) { return n + 1; }
int wait_for_file(const std::string& file, int n) {
  return wait_until([&] { return std::filesystem::exists(file); }) ? n : -1;
}
int complain(int n) { throw std::runtime_error("no " + std::to_string(n)); }
void do_nothing() {}
std::string text_of(int n) { return std::to_string(n); }
int spend_some(int ms) {
  spend(std::chrono::milliseconds(ms));
  return ms;
}

class FutureSets : public ::testing::Test {
 protected:
  static pp::options make_options(const cluster& c) {
    auto o = c.client_options();
    o.discovery = false;
    o.local = 2;
    return o;
  }
  std::string file(const std::string& name) const { return (cluster_.directory() / name).string(); }
  void make_file(const std::string& name) const { std::ofstream(file(name)) << "x"; }
  pp::future<int> blocked(const std::string& name, int n) { return client_.submit(wait_for_file, file(name), n); }
  std::vector<pp::future<int>> many(int count) {
    std::vector<pp::future<int>> jobs;
    for (int i = 0; i < count; ++i) jobs.push_back(client_.submit(add_one, i));
    return jobs;
  }

  const cluster cluster_;
  pp::client client_{make_options(cluster_)};
};

TEST_F(FutureSets, WaitForAllOrUntilALimit) {
  auto jobs = many(100);
  pp::wait(jobs);
  for (const auto& j : jobs) EXPECT_TRUE(j.ready());
  EXPECT_EQ(jobs[3].get(), 4);
  EXPECT_TRUE(pp::wait(jobs, 0ms)) << "a future whose value was taken is passed over";
  jobs.push_back(blocked("go", 1));
  EXPECT_FALSE(pp::wait(jobs, 1ms));
  make_file("go");
  EXPECT_TRUE(pp::wait(jobs, generous));
}

TEST_F(FutureSets, WaitAnyGivesThePlaceOfOneThatIsDone) {
  std::vector<pp::future<int>> jobs;
  EXPECT_EQ(pp::wait_any(jobs), pp::npos);
  jobs.push_back(blocked("first", 1));
  jobs.push_back(blocked("second", 2));
  EXPECT_EQ(pp::wait_any(jobs, 1ms), pp::npos);
  make_file("second");
  EXPECT_EQ(pp::wait_any(jobs), 1U);
  EXPECT_EQ(jobs[1].get(), 2);
  make_file("first");
  EXPECT_EQ(pp::wait_any(jobs), 0U);
  EXPECT_EQ(jobs[0].get(), 1);
  EXPECT_EQ(pp::wait_any(jobs), pp::npos);
}

TEST_F(FutureSets, AsCompletedGivesEachOnceInTheOrderOfItsEnd) {
  std::vector<pp::future<int>> jobs;
  jobs.push_back(blocked("late", 10));
  for (int i = 0; i < 20; ++i) jobs.push_back(client_.submit(add_one, i));
  std::vector<std::size_t> order;
  for (auto [index, job] : pp::as_completed(jobs)) {
    order.push_back(index);
    EXPECT_TRUE(job.ready());
    EXPECT_EQ(&job, &jobs[index]);
    job.get();
    if (order.size() == 20) make_file("late");
  }
  ASSERT_EQ(order.size(), 21U);
  EXPECT_EQ(order.back(), 0U);
  EXPECT_EQ(std::set(order.begin(), order.end()).size(), 21U);
  for ([[maybe_unused]] auto [index, job] : pp::as_completed(jobs)) ADD_FAILURE() << "all of them are empty now";
}

TEST_F(FutureSets, AsCompletedTakesAHundredThousand) {
  constexpr int count = is_sanitized ? 20'000 : 100'000;
  auto jobs = many(count);
  std::int64_t sum = 0, seen = 0;
  for (auto [index, job] : pp::as_completed(jobs)) {
    sum += job.get() - static_cast<int>(index);
    ++seen;
  }
  EXPECT_EQ(seen, count);
  EXPECT_EQ(sum, count);
}

TEST_F(FutureSets, LeavingAsCompletedEarlyLeavesTheOthersAlone) {
  auto jobs = many(100);
  for (auto [index, job] : pp::as_completed(jobs)) {
    job.wait();
    break;
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), i + 1);
}

TEST_F(FutureSets, WhenAllGivesATupleOrAVector) {
  auto all = pp::when_all(client_.submit(add_one, 1), client_.submit(text_of, 2), client_.submit(do_nothing));
  EXPECT_EQ(all.get(), std::tuple(2, std::string("2"), std::monostate()));
  EXPECT_THAT(pp::when_all(many(3)).get(), ElementsAre(1, 2, 3));
  std::vector<pp::future<void>> empty;
  pp::when_all(std::move(empty)).get();
}

TEST_F(FutureSets, WhenAllThrowsTheFirstErrorOfTheOrderAfterAllAreDone) {
  std::vector<pp::future<int>> jobs;
  jobs.push_back(blocked("slow", 1));
  jobs.push_back(client_.submit(complain, 1));
  jobs.push_back(client_.submit(complain, 2));
  auto all = pp::when_all(std::move(jobs));
  EXPECT_FALSE(all.ready());
  make_file("slow");
  try {
    all.get();
    ADD_FAILURE() << "it should have thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.message(), "no 1");
  }
}

TEST_F(FutureSets, WhenAnyGivesTheOthersBack) {
  auto any = pp::when_any(blocked("first", 1), blocked("second", 2));
  EXPECT_FALSE(any.ready());
  make_file("second");
  auto result = any.get();
  EXPECT_EQ(result.index, 1U);
  make_file("first");
  EXPECT_EQ(result.futures[0].get() + result.futures[1].get(), 3);
}

TEST_F(FutureSets, TheClientWaitsForAllItsJobsAndTheirCallbacks) {
  EXPECT_TRUE(client_.wait(0ms)) << "there are none";
  std::int64_t sum = 0;
  constexpr int count = 20'000;
  for (int i = 0; i < count; ++i) client_.submit(add_one, i).then([&](pp::future<int> done) { sum += done.get(); });
  client_.wait();
  EXPECT_EQ(sum, std::int64_t{count} * (count + 1) / 2);
}

TEST_F(FutureSets, TheClientWaitsForOneGroup) {
  std::vector<pp::future<int>> jobs;
  jobs.push_back(client_.submit({.group = "slow"}, wait_for_file, file("go"), 1));
  for (int i = 0; i < 50; ++i) jobs.push_back(client_.submit({.group = "quick"}, add_one, i));
  client_.wait("quick");
  for (std::size_t i = 1; i < jobs.size(); ++i) EXPECT_TRUE(jobs[i].ready());
  client_.wait("nobody");
  EXPECT_FALSE(client_.wait("slow", 1ms));
  EXPECT_FALSE(client_.wait(1ms));
  make_file("go");
  EXPECT_TRUE(client_.wait("slow", generous));
  EXPECT_TRUE(jobs[0].ready());
}

TEST_F(FutureSets, AnotherThreadsWaitEndsWhenTheClientIsClosed) {
  auto job = blocked("never", 1);
  job.on_done([] {});
  std::atomic<bool> has_ended{false};
  std::thread waiting([&] {
    client_.wait();
    has_ended = true;
  });
  client_.close();
  waiting.join();
  EXPECT_TRUE(has_ended);
  EXPECT_TRUE(client_.wait(0ms)) << "also afterwards";
}

// --- progress --------------------------------------------------------------------------------------------------------

TEST_F(FutureSets, ASetKnowsWhatIsDoneRunningAndQueued) {
  std::vector<pp::future<int>> jobs;
  jobs.push_back(client_.submit(add_one, 1));
  jobs.push_back(client_.submit(complain, 1));
  pp::job_set set(jobs);
  for (int i = 0; i < 300; ++i) jobs.push_back(blocked("go", i));
  for (std::size_t i = 2; i < jobs.size(); ++i) set.add(jobs[i]);
  ASSERT_TRUE(wait_until([&] { return set.status().done == 2 && set.status().running >= 2; }));
  const auto now = set.status();
  EXPECT_EQ(now.total, 302U);
  EXPECT_EQ(now.failed, 1U);
  EXPECT_EQ(now.done + now.running + now.queued, now.total);
  EXPECT_TRUE(now.time_left.has_value());
  EXPECT_FALSE(set.wait(1ms));
  EXPECT_THAT(now.text(), HasSubstr("2 of 302 done, 1 failed, "));
  jobs.clear();  // it counts all the same
  make_file("go");
  set.wait();
  const auto end = set.status();
  EXPECT_TRUE(end.is_done());
  EXPECT_EQ(end.running + end.queued, 0U);
  EXPECT_EQ(end.wall_time, set.status().wall_time) << "it stands still once all are done";
}

TEST_F(FutureSets, SerialTimeAndSpeedUpAreThoseOfTheJobs) {
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 8; ++i) jobs.push_back(client_.submit(spend_some, 20));
  const pp::job_set set(jobs);
  set.wait();
  const auto s = set.status();
  EXPECT_GE(s.serial_time, 160ms);
  EXPECT_GT(s.speed_up(), 0);
  EXPECT_DOUBLE_EQ(s.speed_up(), double(s.serial_time.count()) / double(s.wall_time.count()));
  EXPECT_EQ(s.time_left, 0us);
}

TEST_F(FutureSets, TheBarEndsFullAndDrawsSeldom) {
  constexpr int count = 5'000;
  std::ostringstream drawn;
  const auto began = std::chrono::steady_clock::now();
  {
    auto jobs = many(count);
    const pp::progress bar(jobs, {.label = "adding", .to = &drawn, .width = 10});
    pp::wait(jobs);
  }
  const auto took = std::chrono::steady_clock::now() - began;
  const std::string text = drawn.str();
  EXPECT_THAT(text, HasSubstr("\radding [##########] 5000 of 5000 done"));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), took / 100ms + 3);
}

/// stderr is a terminal while this lives.
class terminal {
 public:
  terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)), stderr_(dup(STDERR_FILENO)) {
    if (grantpt(master_) != 0 || unlockpt(master_) != 0) return;
    const int slave = open(ptsname(master_), O_RDWR | O_NOCTTY | O_CLOEXEC);
    dup2(slave, STDERR_FILENO);
    close(slave);
  }
  ~terminal() {
    dup2(stderr_, STDERR_FILENO);
    close(stderr_);
    close(master_);
  }
  std::string read_some() const {
    char text[4096];
    const auto got = read(master_, text, sizeof text);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }

 private:
  const int master_, stderr_;
};

TEST_F(FutureSets, TheBarDrawsOnATerminal) {
  auto jobs = many(10);
  std::string seen;
  {
    const terminal screen;
    {
      const pp::progress bar(jobs);
      pp::wait(jobs);
    }
    wait_until([&] { return (seen += screen.read_some()).find('\n') != std::string::npos; });
  }
  EXPECT_THAT(seen, HasSubstr("10 of 10 done"));
}

TEST_F(FutureSets, TheBarIsQuietWhereThereIsNoTerminal) {
  ::testing::internal::CaptureStderr();
  {
    auto jobs = many(10);
    const pp::progress bar(jobs);
    pp::wait(jobs);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(FutureSets, StatisticsArePrintedAsATable) {
  for (int i = 0; i < 3; ++i) static_cast<void>(client_.submit(spend_some, 10).get());
  std::ostringstream out;
  client_.print_stats(out);
  EXPECT_THAT(out.str(),
              ::testing::MatchesRegex("Job execution statistics:\n"
                                      " job count \\| % of all jobs \\| job time sum \\| time per job \\| job server\n"
                                      "         3 \\|        100.00 \\| +0\\.[0-9]+ \\| +0\\.[0-9]+ \\| local\n"
                                      "Time elapsed since server creation [0-9.]+ s\n"
                                      "0 active jobs, 2 slots\n"));
  const auto local = find_node(client_, "local");
  EXPECT_EQ(local.jobs_done, 3U);
  EXPECT_GE(local.run_time, 30ms);
  EXPECT_GT(client_.stats().elapsed, 0us);
}

TEST(Statistics, TellEachNodesShare) {
  const cluster c;
  const auto a = c.start_node("node-a");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  for (int i = 0; i < 4; ++i) client.submit(spend_some, 5).wait();
  std::ostringstream out;
  client.print_stats(out);
  EXPECT_THAT(out.str(), HasSubstr("| node-a (" + a->address() + ")\n"));
  EXPECT_GE(find_node(client, "node-a").run_time, 20ms);
}

}  // namespace
}  // namespace pp::test
