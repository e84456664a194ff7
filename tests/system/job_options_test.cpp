// What a caller says about one job holds, on nodes and on local workers: place, urgency, attempts, cancel, environment, names.
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }
std::string variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value != nullptr ? value : "(none)";
}
std::string names() { return this_job::id() + " " + std::to_string(this_job::attempt()) + " " + this_job::label(); }
std::string names_at_second_attempt() {
  if (this_job::attempt() == 1) kill(getpid(), SIGKILL);
  return names();
}
void die() { kill(getpid(), SIGKILL); }

/// Marks that it has begun, and ends when `end` is there (or the test is long over).
int wait_for_file(const std::string& begun, const std::string& end) {
  std::ofstream(begun).put('x');
  wait_until([&] { return std::filesystem::exists(end); });
  return 1;
}
void append(const std::string& file, int number) { std::ofstream(file, std::ios::app) << number << ' '; }
std::string content(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class R>
pp::errc code_of(pp::future<R>& future) {
  try {
    future.get();
  } catch (const pp::error& e) {
    return static_cast<pp::errc>(e.code().value());
  }
  return {};
}

/// A worker that waits in a job until it is let go.
class busy_worker {
 public:
  busy_worker(const cluster& c, pp::client& client, const pp::job_options& how = {})
      : begun_(c.directory() / "begun"),
        end_(c.directory() / "end"),
        job(client.submit(how, wait_for_file, begun_.string(), end_.string())) {
    EXPECT_TRUE(wait_until([this] { return std::filesystem::exists(begun_); }));
  }
  ~busy_worker() { let_go(); }
  void let_go() { std::ofstream(end_).put('x'); }

 private:
  std::filesystem::path begun_, end_;

 public:
  pp::future<int> job;
};

pp::options local_only(const cluster& c, int workers = 1) {
  auto o = c.client_options();
  o.discovery = false;
  o.local = workers;
  return o;
}

/// The same on a node and on local workers.
class JobOptions : public ::testing::TestWithParam<bool> {
 protected:
  JobOptions() {
    if (GetParam()) node_ = cluster_.start_node("node-a", 1);
    client_.emplace(GetParam() ? cluster_.client_options() : local_only(cluster_));
    EXPECT_TRUE(has_nodes(*client_, 1));
  }
  /// Until what was asked of the place so far has reached it: a cancel returns before.
  void wait_for_place() {
    if (node_) {
      client_->ping("node-a", generous);
    } else {
      client_->nodes();  // answered by the thread that has the local workers, in turn
    }
  }
  cluster cluster_;
  std::unique_ptr<node> node_;
  std::optional<pp::client> client_;
};
INSTANTIATE_TEST_SUITE_P(Places, JobOptions, ::testing::Bool(),
                         [](const auto& where) { return where.param ? "node" : "local"; });

TEST_P(JobOptions, AJobKnowsItsIdItsAttemptAndItsLabel) {
  auto labelled = client_->submit({.label = "number one"}, names);
  const auto id = labelled.id();
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(labelled.get(), id + " 1 number one");
  auto plain = client_->submit(names);
  EXPECT_NE(plain.id(), id);
  const auto plain_id = plain.id();
  EXPECT_EQ(plain.get(), plain_id + " 1 ");
  EXPECT_EQ(this_job::id() + this_job::label(), "");
  EXPECT_EQ(this_job::attempt(), 0U);
}

TEST_P(JobOptions, TheIdStaysTheSameInTheNextAttempt) {
  auto again = client_->submit(names_at_second_attempt);
  const auto id = again.id();
  EXPECT_EQ(again.get(), id + " 2 ");
}

TEST_P(JobOptions, VariablesAreSeenByTheirJobOnly) {
  EXPECT_EQ(client_->submit({.environment = {{"COLOUR", "red"}, {"HOME", "/nowhere"}}}, variable, "COLOUR").get(),
            "red");
  EXPECT_EQ(client_->submit(variable, "COLOUR").get(), "(none)");
  const auto home = client_->submit(variable, "HOME").get();
  EXPECT_EQ(client_->submit({.environment = {{"HOME", "/nowhere"}}}, variable, "HOME").get(), "/nowhere");
  EXPECT_EQ(client_->submit(variable, "HOME").get(), home);
}

TEST_P(JobOptions, UrgentJobsGoFirst) {
  busy_worker busy(cluster_, *client_);
  const auto order = (cluster_.directory() / "order").string();
  std::vector<pp::future<void>> jobs;
  // More than a node is sent ahead, so that most wait here.
  for (int i = 0; i < 50; ++i) jobs.push_back(client_->submit({.priority = -1}, append, order, 0));
  for (int i = 0; i < 5; ++i) jobs.push_back(client_->submit({.priority = 5}, append, order, 1));
  ASSERT_TRUE(wait_until([&] { return client_->stats().submitted == 56; }));
  busy.let_go();
  for (auto& job : jobs) job.get();
  const auto text = content(order);
  EXPECT_LT(text.rfind('1') / 2, 25U) << text;
}

TEST_P(JobOptions, ACancelledJobThatWaitsNeverRuns) {
  busy_worker busy(cluster_, *client_);
  const auto file = (cluster_.directory() / "ran").string();
  std::vector<pp::future<void>> jobs;
  for (int i = 0; i < 20; ++i) jobs.push_back(client_->submit(append, file, i));
  for (auto& job : jobs) job.cancel();
  for (auto& job : jobs) EXPECT_EQ(code_of(job), pp::errc::cancelled);
  wait_for_place();
  busy.let_go();
  EXPECT_EQ(busy.job.get(), 1);
  EXPECT_EQ(client_->submit(twice, 21).get(), 42);
  EXPECT_EQ(content(file), "");
}

TEST_P(JobOptions, ACancelledJobThatRunsIsGivenUpAtOnce) {
  busy_worker busy(cluster_, *client_);
  auto id = busy.job.id();
  busy.job.cancel();
  try {
    busy.job.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::cancelled);
    EXPECT_EQ(e.job()->id, id);
    EXPECT_EQ(e.job()->node, GetParam() ? "node-a" : "local");
    EXPECT_EQ(e.job()->address, GetParam() ? node_->address() : "");
    EXPECT_LE(e.job()->submitted, e.job()->sent);
    EXPECT_LE(e.job()->sent, e.job()->ended);
  }
  busy.let_go();
  EXPECT_EQ(client_->submit(twice, 21).get(), 42);
}

TEST_P(JobOptions, CancellingAJobThatIsDoneChangesNothing) {
  auto job = client_->submit(twice, 21);
  job.wait();
  job.cancel();
  EXPECT_EQ(job.get(), 42);
}

TEST_P(JobOptions, ThousandsCancelledInFlightLeaveTheCreditIntact) {
  for (int round = 0; round < 3; ++round) {
    std::vector<pp::future<int>> jobs;
    for (int i = 0; i < 5000; ++i) jobs.push_back(client_->submit(twice, i));
    for (auto& job : jobs) job.cancel();
    for (int i = 0; i < 5000; ++i) jobs.push_back(client_->submit(twice, i));
    for (std::size_t i = 5000; i < jobs.size(); ++i) ASSERT_EQ(jobs[i].get(), 2 * static_cast<int>(i - 5000));
  }
  EXPECT_EQ(client_->stats().nodes.at(0).jobs_rescheduled, 0U) << "a node that was sent too much ends the connection";
}

TEST_P(JobOptions, AGroupIsCancelledTogether) {
  busy_worker busy(cluster_, *client_);
  std::vector<pp::future<int>> red, blue;
  for (int i = 0; i < 10; ++i) {
    red.push_back(client_->submit({.group = "red"}, twice, i));
    blue.push_back(client_->submit({.group = "blue"}, twice, i));
  }
  EXPECT_EQ(client_->cancel_group("red"), 10U);
  EXPECT_EQ(client_->cancel_group("red"), 0U);
  busy.let_go();
  for (auto& job : red) EXPECT_EQ(code_of(job), pp::errc::cancelled);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(blue[static_cast<std::size_t>(i)].get(), 2 * i);
}

TEST_P(JobOptions, AttemptsAreCountedAsTheJobSays) {
  auto job = client_->submit({.attempts = 2, .label = "doomed"}, die);
  try {
    job.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::worker_crashed);
    EXPECT_EQ(e.attempts(), 2U);
    EXPECT_EQ(e.job()->label, "doomed");
    ASSERT_EQ(e.job()->attempts.size(), 2U);
    for (unsigned i = 0; i < 2; ++i) {
      EXPECT_EQ(e.job()->attempts[i].number, i + 1);
      EXPECT_EQ(e.job()->attempts[i].signal, SIGKILL);
      EXPECT_NE(e.job()->attempts[i].outcome, "");
    }
  }
  auto once = client_->submit({.at_most_once = true}, die);
  EXPECT_EQ(code_of(once), pp::errc::worker_crashed);
}

TEST_P(JobOptions, AWrongOptionThrowsAtSubmitWithItsName) {
  try {
    static_cast<void>(client_->submit({.priority = 1000}, twice, 1));
    FAIL() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_option);
    EXPECT_STREQ(e.what(), "job_options.priority must be -100 to 100");
  }
  EXPECT_EQ(client_->submit(twice, 21).get(), 42) << "the draft was given back";
  const std::vector<int> nothing;
  EXPECT_THROW(client_->map(twice, nothing, {.job = {.priority = 1000}}), pp::error);
}

TEST_P(JobOptions, OfTheClientHoldForJobsThatSayNothing) {
  auto o = GetParam() ? cluster_.client_options() : local_only(cluster_);
  o.job.label = "usual";
  o.job.environment = {{"COLOUR", "blue"}};
  pp::client other(o);
  EXPECT_THAT(other.submit(names).get(), HasSubstr(" 1 usual"));
  EXPECT_THAT(other.submit({.label = "own"}, names).get(), HasSubstr(" 1 own"));
  EXPECT_EQ(other.map(variable, std::vector<std::string>{"COLOUR"}).at(0), "blue");
  o.job.attempts = 5000;
  EXPECT_THROW(pp::client{o}, pp::error);
}

TEST_P(JobOptions, AMapCarriesThemInItsChunks) {
  const auto seen = client_->map(variable, std::vector<std::string>(20, "COLOUR"),
                                 {.chunk = 3, .job = {.environment = {{"COLOUR", "green"}}}});
  EXPECT_THAT(seen, ::testing::Each("green"));
}

TEST_P(JobOptions, EveryErrorTellsWhichJobItWas) {
  auto o = GetParam() ? cluster_.client_options() : local_only(cluster_);
  o.no_nodes_timeout = 50ms;
  pp::client other(o);
  ASSERT_TRUE(has_nodes(other, 1));
  auto job = other.submit({.label = "lonely", .node = "nobody"}, twice, 1);
  const auto id = job.id();
  try {
    job.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::no_nodes);
    EXPECT_THAT(e.what(), HasSubstr("no node matches job_options.node 'nobody'; known: "));
    ASSERT_NE(e.job(), nullptr);
    EXPECT_EQ(e.job()->id, id);
    EXPECT_EQ(e.job()->label, "lonely");
    EXPECT_LE(e.job()->submitted, e.job()->ended);
  }
}

// --- several nodes ---------------------------------------------------------------------------------------------------

TEST(JobPlaces, PinnedJobsRunWhereTheyAreMeantTo) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  auto o = c.client_options();
  o.local = 1;
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 3));
  const auto runs_at = [&](const pp::job_options& how) {
    auto job = client.submit(how, twice, 1);
    const auto where = job.node();
    EXPECT_EQ(job.get(), 2);
    return where;
  };
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(runs_at({.node = "node-b"}), "node-b");
    EXPECT_EQ(runs_at({.node = a->address()}), "node-a");
    EXPECT_EQ(runs_at({.node = b->id()}), "node-b");
    EXPECT_EQ(runs_at({.node = "local"}), "local");
    EXPECT_EQ(runs_at({.nodes = "*-a"}), "node-a");
    EXPECT_EQ(runs_at({.nodes = "node-*, !*-a"}), "node-b");
  }
}

TEST(JobPlaces, AJobThatWaitsForItsNodeHoldsUpNoOtherAndRunsWhenTheNodeComes) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  auto waiting = client.submit({.priority = 100, .node = "node-late"}, twice, 5);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
  EXPECT_FALSE(waiting.ready());
  const auto late = c.start_node("node-late", 1);
  ASSERT_TRUE(waiting.wait_for(generous));
  EXPECT_EQ(waiting.node(), "node-late");
  EXPECT_EQ(waiting.get(), 10);
}

TEST(JobRetries, GoToDifferentNodesFirst) {
  const cluster c;
  const auto a = c.start_node("node-a", 1), b = c.start_node("node-b", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto job = client.submit({.attempts = 3}, die);
  try {
    job.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    const auto& attempts = e.job()->attempts;
    ASSERT_EQ(attempts.size(), 3U);
    EXPECT_NE(attempts[0].node, attempts[1].node);
    EXPECT_NE(attempts[1].node, attempts[2].node);
  }
}

TEST(JobAtMostOnce, FailsWithAnUnknownOutcomeWhenItsNodeIsKilled) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  busy_worker busy(c, client, {.at_most_once = true, .label = "only once"});
  a->kill();
  try {
    busy.job.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::outcome_unknown);
    EXPECT_EQ(e.job()->node, "node-a");
    EXPECT_EQ(e.job()->label, "only once");
    ASSERT_EQ(e.job()->attempts.size(), 1U);
    EXPECT_THAT(e.job()->attempts[0].outcome, HasSubstr("the node was lost"));
  }
}

TEST(JobIdempotent, RunsElsewhereWhileItsNodeIsSilent) {
  const cluster c;
  const auto a = c.start_node("node-a", 1);
  auto o = c.impatient_options();
  o.dead_after = 60s;  // it is never taken for dead here
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  busy_worker busy(c, client, {.idempotent = true});
  const auto b = c.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(client, 2));
  a->stop();
  ASSERT_TRUE(wait_until([&] { return find_node(client, "node-b").in_flight == 1; }));
  busy.let_go();
  ASSERT_TRUE(busy.job.wait_for(generous));
  EXPECT_EQ(busy.job.node(), "node-b");
  EXPECT_EQ(busy.job.get(), 1);
  a->resume();
}

}  // namespace
}  // namespace pp::test
