// Futures as arguments and job_options::after: values go from job to job, orders are kept, and a failure tells where it began.
#include <fstream>
#include <numeric>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int add(int a, int b) { return a + b; }
int add_one(int n) { return n + 1; }
double half(double n) { return n / 2; }
void do_nothing() {}
std::string join_words(const std::string& a, const std::string& b) { return a + " " + b; }
std::string text_of(int n) { return std::to_string(n); }
std::vector<double> numbers(int count) { return std::vector<double>(static_cast<std::size_t>(count), 0.5); }
double total(const std::vector<double>& all) { return std::accumulate(all.begin(), all.end(), 0.0); }
int sum_of(const std::vector<int>& all) { return std::accumulate(all.begin(), all.end(), 0); }
std::string all_words(const std::vector<std::string>& all) {
  return std::accumulate(all.begin(), all.end(), std::string());
}
int wait_for_file(const std::string& file, int n) {
  return wait_until([&] { return std::filesystem::exists(file); }) ? n : -1;
}
int complain(int n) { throw std::runtime_error("no " + std::to_string(n)); }
void append_to(const std::string& file, const std::string& word) { std::ofstream(file, std::ios::app) << word << '\n'; }
std::string text_in(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct counter {
  int start = 0;
  int plus(int n) const { return start + n; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(start);
  }
};
counter counter_from(int n) { return {n}; }

/// Can be sent, and cannot be read.
struct unreadable {
  template <class Archive>
  void save(Archive& ar) const {
    ar(1);
  }
  template <class Archive>
  void load(Archive& ar) {
    int n = 0;
    ar(n);
    throw std::runtime_error("the reader is broken");
  }
};
unreadable make_unreadable() { return {}; }
int take_unreadable(const unreadable&) { return 1; }

class DependenciesValues : public ::testing::Test {
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
  bool waiting_becomes(std::uint64_t count) {
    return wait_until([&] { return client_.stats().waiting == count; });
  }
  template <class R>
  static pp::errc code_of(pp::future<R>&& job) {
    try {
      job.get();
    } catch (const pp::error& e) {
      return static_cast<pp::errc>(e.code().value());
    }
    return pp::errc{};
  }

  const cluster cluster_;
  pp::client client_{make_options(cluster_)};
};

// --- values ----------------------------------------------------------------------------------------------------------

TEST_F(DependenciesValues, AJobGetsTheValueOfAFutureThatIsKeptOrHandedOver) {
  auto three = client_.submit(add, 1, 2);
  auto four = client_.submit(add, three, 1);
  EXPECT_EQ(client_.submit(add, std::move(four), three).get(), 7);
  EXPECT_EQ(three.get(), 3) << "handed over as an lvalue it is still there";
  EXPECT_FALSE(four.valid());  // NOLINT(bugprone-use-after-move)
}

TEST_F(DependenciesValues, AnInputThatIsDoneServesAsWell) {
  auto one = client_.submit(add_one, 0);
  one.wait();
  EXPECT_EQ(client_.submit(add, one, one).get(), 2);
  EXPECT_EQ(client_.submit(add, 5, one).get(), 6);
}

TEST_F(DependenciesValues, ValuesAreConvertedAsInADirectCall) {
  EXPECT_EQ(client_.submit(half, client_.submit(add, 1, 2)).get(), 1.5);
  EXPECT_EQ(client_.submit(join_words, client_.submit(text_of, 1), "word").get(), "1 word");
  EXPECT_EQ(client_.submit(add, client_.submit(half, 9.0), 1).get(), 5);
}

TEST_F(DependenciesValues, MembersAndFunctionObjectsTakeFuturesToo) {
  auto made = client_.submit(counter_from, 40);
  auto two = client_.submit(add, 1, 1);
  EXPECT_EQ(client_.submit(&counter::plus, made, two).get(), 42);
  EXPECT_EQ(client_.submit(&counter::start, made).get(), 40);
  EXPECT_EQ(client_.submit([](int a, const counter& c) { return a * c.start; }, two, made).get(), 80);
}

TEST_F(DependenciesValues, AVectorOfFuturesBecomesAVectorOfValues) {
  std::vector<pp::future<int>> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(client_.submit(add_one, i));
  EXPECT_EQ(client_.submit(sum_of, parts).get(), 5050);
  EXPECT_EQ(client_.submit(sum_of, std::move(parts)).get(), 5050);
  std::vector<pp::future<std::string>> words;
  for (int i = 0; i < 3; ++i) words.push_back(client_.submit(text_of, i));
  EXPECT_EQ(client_.submit(all_words, std::move(words)).get(), "012");
  EXPECT_EQ(client_.submit(sum_of, std::vector<pp::future<int>>()).get(), 0) << "of none at all";
}

TEST_F(DependenciesValues, LargeValuesGoToSeveralJobs) {
  auto large = client_.submit(numbers, 1'000'000);
  std::vector<pp::future<double>> sums;
  for (int i = 0; i < 4; ++i) sums.push_back(client_.submit(total, large));
  large.wait();
  for (int i = 0; i < 4; ++i) sums.push_back(client_.submit(total, large));
  for (auto& s : sums) EXPECT_EQ(s.get(), 500'000.0);
  EXPECT_EQ(large.get().size(), 1'000'000U);
}

// --- shapes ----------------------------------------------------------------------------------------------------------

TEST_F(DependenciesValues, ATreeOfAThousandJobsSumsPairwise) {
  std::vector<pp::future<int>> level;
  for (int i = 0; i < 512; ++i) level.push_back(client_.submit(add_one, i));
  while (level.size() > 1) {
    std::vector<pp::future<int>> next;
    for (std::size_t i = 0; i < level.size(); i += 2)
      next.push_back(client_.submit(add, std::move(level[i]), std::move(level[i + 1])));
    level = std::move(next);
  }
  EXPECT_EQ(level[0].get(), 512 * 513 / 2);
}

TEST_F(DependenciesValues, AChainOfAThousandNeedsItsLastFutureOnly) {
  auto last = blocked("go", 0);
  for (int i = 0; i < 1000; ++i) last = client_.submit(add_one, std::move(last));
  EXPECT_TRUE(waiting_becomes(1000));
  EXPECT_GE(client_.stats().queued, 1000U);
  make_file("go");
  EXPECT_EQ(last.get(), 1000);
  EXPECT_EQ(client_.stats().waiting, 0U);
}

TEST_F(DependenciesValues, ADiamondUsesOneResultTwice) {
  auto top = client_.submit(add_one, 0);
  auto left = client_.submit(add_one, top), right = client_.submit(add, top, 10);
  EXPECT_EQ(client_.submit(add, left, right).get(), 13);
}

TEST_F(DependenciesValues, TenThousandJobsWaitForOne) {
  constexpr int count = is_sanitized ? 2'000 : 10'000;
  auto one = blocked("go", 1);
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < count; ++i) jobs.push_back(client_.submit(add, one, i));
  make_file("go");
  for (int i = 0; i < count; ++i) ASSERT_EQ(jobs[static_cast<std::size_t>(i)].get(), i + 1);
}

// Each input ends about when its job is submitted.
TEST_F(DependenciesValues, NoJobIsForgottenWhereSubmissionAndEndMeet) {
  constexpr int count = is_sanitized ? 300 : 3'000;
  const auto run = [this](int first) {
    int wrong = 0;
    for (int i = 0; i < count; ++i) {
      auto input = client_.submit(add_one, first + i);
      if (i % 3 == 0) input.wait_for(20us);
      wrong += client_.submit(half, client_.submit(add, std::move(input), 1)).get() != (first + i + 2) / 2.0;
    }
    EXPECT_EQ(wrong, 0);
  };
  std::thread other(run, 1'000'000);
  run(0);
  other.join();
}

// --- after -----------------------------------------------------------------------------------------------------------

TEST_F(DependenciesValues, AfterKeepsAnOrderWithoutPassingValues) {
  auto first = client_.submit(wait_for_file, file("go"), 1);
  auto second = client_.submit({.after = {first}}, append_to, file("log"), "second");
  auto third = client_.submit({.after = {first, second}}, append_to, file("log"), "third");
  EXPECT_TRUE(waiting_becomes(2));
  make_file("go");
  third.get();
  EXPECT_EQ(text_in(file("log")), "second\nthird\n");
  second.get();
}

TEST_F(DependenciesValues, AfterAndFuturesAsArgumentsGoTogether) {
  auto gate = blocked("go", 1);
  auto value = client_.submit(add_one, 1);
  auto job = client_.submit({.label = "both", .after = {gate}}, add, value, 5);
  value.wait();
  EXPECT_FALSE(job.wait_for(1ms));
  make_file("go");
  EXPECT_EQ(job.get(), 7);
}

TEST_F(DependenciesValues, AMapWaitsForWhatItComesAfter) {
  auto first = client_.submit(append_to, file("log"), "first");
  pp::map_options how;
  how.job.after = {first};
  const std::vector<std::string> files(10, file("log"));
  const auto seen = client_.map([](const std::string& f) { return std::filesystem::exists(f) ? 1 : 0; }, files, how);
  EXPECT_EQ(sum_of(seen), 10);
}

TEST_F(DependenciesValues, WhatHasNoSenseIsRefusedInWords) {
  auto taken = client_.submit(add_one, 1);
  taken.get();
  EXPECT_THROW(client_.submit(add_one, taken).get(), pp::error);
  EXPECT_THROW(client_.submit({.after = {taken}}, do_nothing).get(), pp::error);
  pp::client other(make_options(cluster_));
  auto strange = other.submit(add_one, 1);
  try {
    client_.submit(add_one, strange).get();
    ADD_FAILURE() << "a future of another client";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_option);
    EXPECT_THAT(e.what(), HasSubstr("own client"));
  }
  auto mine = client_.submit(add_one, 1);
  auto o = make_options(cluster_);
  o.job.after = {mine};
  EXPECT_THROW(pp::client{o}, pp::error);
  auto worker = client_.checkout(generous);
  EXPECT_THROW(worker.submit({.after = {mine}}, do_nothing).get(), pp::error);
}

// --- failures --------------------------------------------------------------------------------------------------------

TEST_F(DependenciesValues, AFailureThreeLevelsDeepIsToldWhole) {
  auto first = client_.submit({.label = "load"}, complain, 7);
  auto second = client_.submit({.label = "clean"}, add_one, first);
  auto third = client_.submit(add, second, 1);
  auto fourth = client_.submit({.after = {third}}, add_one, 1);
  const std::string first_id = first.id(), second_id = second.id(), third_id = third.id();
  try {
    fourth.get();
    FAIL() << "its input failed";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::dependency_failed);
    EXPECT_EQ(e.code(), pp::condition::job_failed);
    EXPECT_THAT(e.what(), HasSubstr("a job that this one waited for failed: job 'load': the job threw "));
    EXPECT_THAT(e.what(), HasSubstr("no 7"));
    const auto& chain = e.job()->inputs;
    ASSERT_EQ(chain.size(), 3U);
    EXPECT_EQ(chain[0].id, third_id);
    EXPECT_EQ(chain[1].label, "clean");
    EXPECT_EQ(chain[2].code, pp::errc::job_threw);
    EXPECT_THAT(e.report(), HasSubstr("  because of\n    job " + third_id + ": dependency_failed\n      job " +
                                      second_id + " (clean): dependency_failed\n        job " + first_id +
                                      " (load) on local: job_threw: the job threw "));
    const auto json = nlohmann::json::parse(e.to_json());
    EXPECT_EQ(json["job"]["inputs"].size(), 3U);
    EXPECT_EQ(json["job"]["inputs"][2]["id"], first_id);
    EXPECT_EQ(json["job"]["inputs"][2]["code"], "job_threw");
  }
  EXPECT_EQ(code_of(std::move(second)), pp::errc::dependency_failed);
  EXPECT_EQ(code_of(std::move(first)), pp::errc::job_threw);
}

TEST_F(DependenciesValues, OfALongChainTheBeginningIsKept) {
  auto last = client_.submit(complain, 1);
  for (int i = 0; i < 50; ++i) last = client_.submit(add_one, std::move(last));
  try {
    last.get();
    FAIL() << "its input failed";
  } catch (const pp::job_error& e) {
    ASSERT_EQ(e.job()->inputs.size(), 16U);
    EXPECT_EQ(e.job()->inputs_left_out, 34U);
    EXPECT_EQ(e.job()->inputs.back().code, pp::errc::job_threw);
    EXPECT_THAT(e.report(), HasSubstr("(34 more)"));
  }
}

TEST_F(DependenciesValues, AFailureDoesNotWaitForTheOtherInputs) {
  auto slow = blocked("go", 1);
  auto job = client_.submit(add, client_.submit(complain, 1), slow);
  EXPECT_EQ(code_of(std::move(job)), pp::errc::dependency_failed);
  EXPECT_FALSE(slow.ready());
  make_file("go");
  EXPECT_EQ(slow.get(), 1) << "and leaves them alone";
}

TEST_F(DependenciesValues, AValueThatCannotBeReadFailsItsJobOnly) {
  auto made = client_.submit(make_unreadable);
  try {
    client_.submit([](const unreadable& u, int n) { return take_unreadable(u) + n; }, made, 1).get();
    FAIL() << "its argument cannot be made";
  } catch (const pp::error& e) {
    EXPECT_THAT(e.what(), HasSubstr("the reader is broken"));
  }
  EXPECT_EQ(client_.submit(add_one, 1).get(), 2);
}

TEST_F(DependenciesValues, AJobThatWaitsIsCancelledAtOnceAndTakesItsOwnWithIt) {
  auto input = blocked("go", 1);
  auto job = client_.submit(add_one, input);
  auto next = client_.submit(add_one, job);
  job.cancel();
  EXPECT_EQ(code_of(std::move(job)), pp::errc::cancelled);
  try {
    next.get();
    FAIL() << "its input was cancelled";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::dependency_failed);
    EXPECT_EQ(e.job()->inputs.at(0).code, pp::errc::cancelled);
  }
  EXPECT_FALSE(input.ready());
  make_file("go");
  EXPECT_EQ(input.get(), 1);
}

TEST_F(DependenciesValues, ACancelledInputFailsItsJobs) {
  auto input = blocked("never", 1);
  auto job = client_.submit(add_one, input);
  input.cancel();
  EXPECT_EQ(code_of(std::move(job)), pp::errc::dependency_failed);
}

}  // namespace
}  // namespace pp::test
