// Where jobs run, as the caller says while they run: on every node, on more or fewer local workers; functions bound to settings.
#include <unistd.h>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

int twice(int n) { return 2 * n; }
int parent_plus(int n) { return static_cast<int>(getppid()) + n; }

/// Marks that it has begun, and ends when `end` is there (or the test is long over).
int hold(const std::string& begun, const std::string& end) {
  std::ofstream(begun).put('x');
  wait_until([&] { return std::filesystem::exists(end); });
  return 1;
}

pp::options local_only(const cluster& c, pp::local_workers workers) {
  auto o = c.client_options();
  o.discovery = false;
  o.local = workers;
  return o;
}

/// Some jobs that wait to be let go, each with a file that says it has begun.
class held_jobs {
 public:
  held_jobs(const cluster& c, pp::client& client, int count) : directory_(c.directory()) {
    for (int i = 0; i < count; ++i) jobs_.push_back(client.submit(hold, begun(i).string(), end().string()));
  }
  ~held_jobs() { let_go(); }
  void let_go() const { std::ofstream(end()).put('x'); }
  int begun() const {
    int sum = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) sum += std::filesystem::exists(begun(static_cast<int>(i))) ? 1 : 0;
    return sum;
  }
  int finished() {
    int sum = 0;
    for (auto& job : jobs_) sum += job.get();
    return sum;
  }

 private:
  std::filesystem::path begun(int i) const { return directory_ / ("begun-" + std::to_string(i)); }
  std::filesystem::path end() const { return directory_ / "end"; }
  std::filesystem::path directory_;
  std::vector<pp::future<int>> jobs_;
};

template <class Call>
pp::errc code_thrown(Call call, std::string* text = nullptr) {
  try {
    call();
  } catch (const pp::error& e) {
    if (text != nullptr) *text = e.what();
    return static_cast<pp::errc>(e.code().value());
  }
  return {};
}

TEST(SetLocalWorkers, BeginsTheJobsThatWaitWhenThereAreMore) {
  cluster c;
  pp::client client(local_only(c, 1));
  held_jobs jobs(c, client, 3);
  ASSERT_TRUE(wait_until([&] { return jobs.begun() == 1; }));
  EXPECT_EQ(client.local_workers(), 1U);
  client.set_local_workers(3);
  EXPECT_EQ(client.local_workers(), 3U);
  EXPECT_TRUE(wait_until([&] { return jobs.begun() == 3; }));
  jobs.let_go();
  EXPECT_EQ(jobs.finished(), 3);
}

TEST(SetLocalWorkers, StartsTheFirstOnesOfAClientThatHadNone) {
  cluster c;
  pp::client client(local_only(c, 0));
  auto job = client.submit(twice, 21);
  EXPECT_EQ(client.local_workers(), 0U);
  client.set_local_workers(2);
  EXPECT_EQ(job.get(), 42);
}

TEST(SetLocalWorkers, KeepsWhatRunsAndHoldsTheRestAtZero) {
  cluster c;
  auto o = local_only(c, 1);
  o.no_nodes_timeout = 0ms;
  pp::client client(o);
  held_jobs jobs(c, client, 2);
  ASSERT_TRUE(wait_until([&] { return jobs.begun() == 1; }));
  client.set_local_workers(0);
  ASSERT_TRUE(wait_until([&] { return client.stats().queued == 1; })) << "what had not begun comes back";
  jobs.let_go();
  ASSERT_TRUE(wait_until([&] { return client.stats().done == 1; }));
  EXPECT_EQ(jobs.begun(), 1);
  client.set_local_workers(1);
  EXPECT_EQ(jobs.finished(), 2);
}

TEST(SetLocalWorkers, MayBecomeAutomatic) {
  cluster c;
  pp::client client(local_only(c, 0));
  client.set_local_workers(pp::local_workers::automatic());
  EXPECT_GE(client.local_workers(), 1U);
  EXPECT_EQ(client.submit(twice, 2).get(), 4);
}

TEST(SetLocalWorkers, RefusesNumbersOutOfRangeAndAClosedClient) {
  cluster c;
  pp::client client(local_only(c, 1));
  EXPECT_EQ(code_thrown([&] { client.set_local_workers(4097); }), pp::errc::bad_option);
  EXPECT_EQ(code_thrown([&] { client.set_local_workers(-2); }), pp::errc::bad_option);
  client.close();
  EXPECT_EQ(code_thrown([&] { client.set_local_workers(2); }), pp::errc::closed);
}

TEST(Broadcast, RunsOnceOnEveryNodeAndLocally) {
  cluster c;
  const auto a = c.start_node("node-a", 2);
  const auto b = c.start_node("node-b", 1);
  auto o = c.client_options();
  o.local = 2;
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 3));
  auto jobs = client.broadcast(twice, 4);
  std::vector<std::string> names;
  for (auto& [name, job] : jobs) {
    EXPECT_EQ(job.get(), 8);
    names.push_back(name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("local", "node-a", "node-b"));
  EXPECT_EQ(find_node(client, "node-a").jobs_done, 1U);
  EXPECT_EQ(find_node(client, "node-b").jobs_done, 1U);
  EXPECT_EQ(find_node(client, "local").jobs_done, 1U);
}

TEST(Broadcast, KeepsToTheNodesThatItsSettingsAdmit) {
  cluster c;
  const auto a = c.start_node("node-a", 1);
  const auto b = c.start_node("other", 1);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  auto jobs = client.broadcast({.nodes = "node-*"}, twice, 4);
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs.front().first, "node-a");
  EXPECT_EQ(jobs.front().second.get(), 8);
  std::string text;
  EXPECT_EQ(code_thrown([&] { client.broadcast({.nodes = "gpu*"}, twice, 4); }, &text), pp::errc::no_nodes);
  EXPECT_THAT(text, HasSubstr("gpu*"));
}

TEST(Broadcast, SaysWhatToDoWhenNoNodeIsReady) {
  cluster c;
  pp::client client(local_only(c, 0));
  std::string text;
  EXPECT_EQ(code_thrown([&] { client.broadcast(twice, 4); }, &text), pp::errc::no_nodes);
  EXPECT_THAT(text, HasSubstr("wait_for_nodes"));
}

TEST(Function, SubmitsAndMapsWithItsOwnSettings) {
  cluster c;
  pp::client client(local_only(c, 2));
  const pp::function bound(client, twice, {.label = "bound"});
  static_assert(std::is_same_v<decltype(bound), const pp::function<int(int)>>);
  EXPECT_EQ(bound.submit(21).get(), 42);
  EXPECT_THAT(bound.map(std::vector{1, 2, 3}), ElementsAre(2, 4, 6));
  const pp::function<std::string()> label(client, this_job::label, {.label = "told"});
  EXPECT_EQ(label.submit().get(), "told");
}

TEST(Function, TakesALambdaAndConvertsArgumentsAsACallDoes) {
  cluster c;
  pp::client client(local_only(c, 1));
  const pp::function<double(double)> half(client, [](double d) { return d / 2; });
  EXPECT_EQ(half.submit(3).get(), 1.5);
  const pp::function<int(int)> elsewhere(client, parent_plus);
  EXPECT_NE(elsewhere.submit(0).get(), static_cast<int>(getppid()));
}

TEST(Function, TellsOfWrongSettingsWhenItIsCalled) {
  cluster c;
  pp::client client(local_only(c, 1));
  const pp::function<int(int)> bound(client, twice, {.priority = 101});
  EXPECT_EQ(code_thrown([&] { bound.submit(1).get(); }), pp::errc::bad_option);
}

}  // namespace
}  // namespace pp::test
