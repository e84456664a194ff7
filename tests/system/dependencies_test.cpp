// Futures as arguments, and job_options::after.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

int number(int n) { return n; }
int add(int a, int b) { return a + b; }
double half(double x) { return x / 2; }
std::string text_of(int n) { return std::to_string(n); }
std::string join(std::string a, const std::string& b) { return a + "+" + b; }
int sum(const std::vector<int>& all) { return std::accumulate(all.begin(), all.end(), 0); }
std::vector<int> count_to(int n) {
  std::vector<int> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 1);
  return out;
}
int fail(int n) { throw std::runtime_error("no " + std::to_string(n)); }
int wait_for_file(const std::string& path) {
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(1ms);  // lint: job
  return 1;
}
int size_of_file(const std::string& path) { return static_cast<int>(std::filesystem::file_size(path)); }
void note(const std::string& path, const std::string& line) { std::ofstream(path, std::ios::app) << line << '\n'; }
int crash(int n) {
  std::raise(SIGKILL);
  return n;
}

struct shape {
  std::string name;
  std::shared_ptr<int> side;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, side);
  }
  int area() const { return *side * *side; }
};
shape square(int side) { return {"square", std::make_shared<int>(side)}; }
std::string describe(const shape& s) { return s.name + " of " + std::to_string(s.area()); }

/// On workers of this process' program, or on a node.
class Dependencies : public ::testing::TestWithParam<bool> {
 protected:
  Dependencies() {
    auto o = c.client_options();
    if (GetParam()) {
      n = c.start_node("node-a");
    } else {
      o.local = 2;
      o.discovery = false;
    }
    client_ = std::make_unique<pp::client>(o);
    EXPECT_TRUE(has_nodes(*client_, 1));
  }
  pp::client& client() { return *client_; }
  std::string file(const char* name) const { return (c.directory() / name).string(); }

  cluster c;
  std::unique_ptr<node> n;
  std::unique_ptr<pp::client> client_;
};
INSTANTIATE_TEST_SUITE_P(Local, Dependencies, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(OnNode, Dependencies, ::testing::Values(true));

TEST_P(Dependencies, AFutureAsArgumentBecomesItsValue) {
  auto a = client().submit(number, 20);
  auto b = client().submit(number, 22);
  EXPECT_EQ(client().submit(add, a, std::move(b)).get(), 42);
  EXPECT_EQ(client().submit(add, 1, a).get(), 21);
  EXPECT_EQ(a.get(), 20) << "an lvalue stays what it was";
  EXPECT_FALSE(b.valid());
}

TEST_P(Dependencies, ValuesAreConvertedAsInACall) {
  auto seven = client().submit(number, 7);
  EXPECT_EQ(client().submit(half, seven).get(), 3.5);
  auto t = client().submit(text_of, seven);
  EXPECT_EQ(client().submit(join, t, "x").get(), "7+x");
  EXPECT_EQ(client().submit(join, t, t).get(), "7+7");
}

TEST_P(Dependencies, ClassesAndMethodsTakeFuturesToo) {
  auto s = client().submit(square, client().submit(number, 5));
  EXPECT_EQ(client().submit(describe, s).get(), "square of 25");
  EXPECT_EQ(client().submit(&shape::area, s).get(), 25);
}

TEST_P(Dependencies, AVectorOfFuturesIsAVectorOfValues) {
  std::vector<future<int>> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(client().submit(number, i));
  EXPECT_EQ(client().submit(sum, parts).get(), 4950);
  EXPECT_EQ(client().submit(sum, std::move(parts)).get(), 4950);
  EXPECT_EQ(client().submit(sum, std::vector<future<int>>()).get(), 0);
  EXPECT_EQ(client().submit(sum, client().submit(count_to, 1000)).get(), 500500);
}

TEST_P(Dependencies, ATreeOfAThousandJobsAddsUp) {
  std::vector<future<int>> level;
  for (int i = 1; i <= 512; ++i) level.push_back(client().submit(number, i));
  while (level.size() > 1) {
    std::vector<future<int>> next;
    for (std::size_t i = 0; i < level.size(); i += 2)
      next.push_back(client().submit(add, std::move(level[i]), std::move(level[i + 1])));
    level = std::move(next);
  }
  EXPECT_EQ(level.front().get(), 512 * 513 / 2);
}

TEST_P(Dependencies, AChainOfAThousandRunsInOrder) {
  auto last = client().submit(number, 0);
  for (int i = 0; i < 1000; ++i) last = client().submit(add, std::move(last), 1);
  EXPECT_EQ(last.get(), 1000);
}

TEST_P(Dependencies, TenThousandMayWaitForOne) {
  auto first = client().submit(wait_for_file, file("go"));
  std::vector<future<int>> all;
  for (int i = 0; i < 10'000; ++i) all.push_back(client().submit(add, first, i));
  EXPECT_TRUE(wait_until([&] { return client().stats().waiting == 10'000; }));
  EXPECT_GE(client().stats().queued, 10'000U);
  write_file(c.directory() / "go", "");
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)].get(), i + 1);
  EXPECT_EQ(client().stats().waiting, 0U);
  EXPECT_EQ(client().stats().done, 10'001U);
}

TEST_P(Dependencies, AfterWaitsWithoutData) {
  const auto log = file("log");
  auto a = client().submit(wait_for_file, file("go"));
  auto b = client().submit({.after = {a}}, note, log, "second");
  auto last = client().submit({.after = {a, b}}, note, log, "third");
  EXPECT_TRUE(wait_until([&] { return client().stats().waiting == 2; }));
  note(log, "first");
  write_file(c.directory() / "go", "");
  last.wait();
  EXPECT_EQ(read_file(log), "first\nsecond\nthird\n");
  EXPECT_EQ(client().submit({.after = {last}}, number, 5).get(), 5) << "of one that is done already";
}

TEST_P(Dependencies, AMapCanWaitForAJob) {
  auto first = client().submit(note, file("log"), "done");
  map_options how;
  how.job.after = {first};
  const auto sizes = client().map(size_of_file, std::vector<std::string>(20, file("log")), how);
  EXPECT_EQ(std::count(sizes.begin(), sizes.end(), 5), 20);
}

TEST_P(Dependencies, AFailedInputFailsWhatNeedsItWithTheWholeChain) {
  auto a = client().submit({.label = "read"}, fail, 3);
  auto b = client().submit({.label = "parse"}, add, a, 1);
  auto d = client().submit({.label = "draw"}, add, 1, b);
  try {
    d.get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.code(), errc::dependency_failed);
    ASSERT_EQ(e.job()->inputs.size(), 2U);
    EXPECT_EQ(e.job()->inputs[0].label, "parse");
    EXPECT_EQ(e.job()->inputs[0].code, errc::dependency_failed);
    EXPECT_EQ(e.job()->inputs[1].label, "read");
    EXPECT_EQ(e.job()->inputs[1].code, errc::job_threw);
    EXPECT_THAT(e.what(), HasSubstr("no 3"));
    EXPECT_THAT(e.report(), HasSubstr("because of"));
    EXPECT_THAT(e.report(), HasSubstr("(parse)"));
    EXPECT_THAT(e.report(), HasSubstr("no 3"));
    EXPECT_THAT(e.to_json(), HasSubstr("\"label\":\"read\""));
  }
  EXPECT_THROW(a.get(), job_error) << "its own error is still told";
}

TEST_P(Dependencies, OfALongChainTheReportTellsSixteen) {
  auto last = client().submit(fail, 1);
  for (int i = 0; i < 40; ++i) last = client().submit(add, std::move(last), 1);
  try {
    last.get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.job()->inputs.size(), 16U);
    EXPECT_EQ(e.job()->inputs_left_out, 24U);
    EXPECT_EQ(e.job()->inputs.back().code, errc::job_threw) << "what began it";
    EXPECT_THAT(e.report(), HasSubstr("(24 more)"));
  }
}

TEST_P(Dependencies, AnInputWhoseWorkerDiesFailsTheOthers) {
  auto a = client().submit({.attempts = 1}, crash, 1);
  auto b = client().submit(add, a, 1);
  try {
    b.get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.code(), errc::dependency_failed);
    EXPECT_EQ(e.job()->inputs.at(0).code, errc::worker_crashed);
  }
}

TEST_P(Dependencies, CancellingAnInputEndsWhatWaitsForIt) {
  auto a = client().submit(wait_for_file, file("never"));
  auto b = client().submit(add, a, 1);
  auto d = client().submit(add, b, 1);
  a.cancel();
  try {
    d.get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.code(), errc::dependency_failed);
    EXPECT_EQ(e.job()->inputs.back().code, errc::cancelled);
  }
}

TEST_P(Dependencies, AJobThatWaitsIsCancelledAtOnceAndItsInputGoesOn) {
  auto a = client().submit(wait_for_file, file("go"));
  auto b = client().submit({.group = "g"}, add, a, 1);
  auto d = client().submit(add, b, 1);
  EXPECT_TRUE(wait_until([&] { return client().stats().waiting == 2; }));
  EXPECT_EQ(client().cancel_group("g"), 1U);
  try {
    b.get();
    FAIL() << "nothing was thrown";
  } catch (const job_error& e) {
    EXPECT_EQ(e.code(), errc::cancelled);
  }
  EXPECT_THROW(d.get(), job_error);
  write_file(c.directory() / "go", "");
  EXPECT_EQ(a.get(), 1);
}

TEST_P(Dependencies, WaitingForTheClientWaitsForThoseThatWait) {
  auto a = client().submit(wait_for_file, file("go"));
  auto b = client().submit({.group = "g"}, add, a, 1);
  EXPECT_FALSE(client().wait("g", 1ms));
  write_file(c.directory() / "go", "");
  client().wait("g");
  EXPECT_TRUE(b.ready());
  client().wait();
  EXPECT_TRUE(a.ready());
}

TEST_P(Dependencies, FuturesThatAreGivenUpStillServe) {
  auto last = [&] {
    auto a = client().submit(number, 1);
    auto b = client().submit(add, a, 1);
    return client().submit(add, b, a);
  }();
  EXPECT_EQ(last.get(), 3);
}

TEST_P(Dependencies, CallbacksMaySubmitWhatWaits) {
  std::atomic<int> got{0};
  auto a = client().submit(number, 3);
  client().submit(number, 4).then(
      [&](future<int> b) { client().submit(add, a, std::move(b)).then([&](future<int> s) { got = s.get(); }); });
  EXPECT_TRUE(wait_until([&] { return got == 7; }));
}

TEST_P(Dependencies, LargeValuesGoOn) {
  auto all = client().submit(count_to, 1'000'000);
  EXPECT_EQ(client().submit([](const std::vector<int>& v) { return v.back(); }, all).get(), 1'000'000);
  EXPECT_EQ(all.get().size(), 1'000'000U);
}

TEST_P(Dependencies, ClosingEndsThoseThatWait) {
  auto a = client().submit(wait_for_file, file("never"));
  auto b = client().submit(add, a, 1);
  client().close();
  for (auto* f : {&a, &b}) {
    try {
      f->get();
      FAIL() << "nothing was thrown";
    } catch (const error& e) {
      EXPECT_TRUE(e.code() == errc::closed || e.code() == errc::dependency_failed) << e.what();
    }
  }
}

TEST_P(Dependencies, WrongInputsAreRefusedAtSubmit) {
  auto o = c.client_options();
  o.local = 1;
  o.discovery = false;
  pp::client other(o);
  auto foreign = other.submit(number, 1);
  const auto refused = [](const auto& submit) {
    try {
      submit();
      return std::string("taken");
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::bad_option);
      return std::string(e.what());
    }
  };
  EXPECT_THAT(refused([&] { client().submit(add, foreign, 1).get(); }), HasSubstr("its own client only"));
  auto used = client().submit(number, 1);
  used.get();
  EXPECT_THAT(refused([&] { client().submit(add, used, 1).get(); }), HasSubstr("get() was called"));
  EXPECT_THAT(refused([&] { client().submit({.after = {used}}, number, 1).get(); }), HasSubstr("get() was called"));
  EXPECT_EQ(foreign.get(), 1);
}

TEST_P(Dependencies, ThreadsMaySubmitWhileInputsEnd) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        auto a = client().submit(number, i);
        auto b = client().submit(add, a, 1);
        auto d = client().submit(add, b, std::move(a));
        good += d.get() == 2 * i + 1 ? 1 : 0;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, 800);
}

// Its node dies with an input running: that runs elsewhere, and what waits for it with it.
TEST(DependenciesOnNodes, OutliveTheNodeOfAnInput) {
  const cluster c;
  auto a = c.start_node("node-a", 1);
  client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto go = (c.directory() / "go").string();
  auto first = client.submit(wait_for_file, go);
  auto second = client.submit(add, first, 1);
  ASSERT_TRUE(wait_until([&] { return client.stats().in_flight == 1; }));
  const auto b = c.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(client, 2));
  a->kill();
  write_file(go, "");
  EXPECT_EQ(second.get(), 2);
}

TEST(DependenciesJournal, FindJobsByTheirCompleteArguments) {
  const cluster c;
  auto o = c.client_options();
  o.local = 1;
  o.discovery = false;
  o.journal = (c.directory() / "journal").string();
  for (const std::uint64_t from_journal : {0, 2}) {
    client client(o);
    auto a = client.submit(number, 5);
    EXPECT_EQ(client.submit(add, a, 1).get(), 6);
    EXPECT_EQ(a.get(), 5);
    EXPECT_EQ(client.stats().from_journal, from_journal);
  }
}

}  // namespace
}  // namespace pp::test
