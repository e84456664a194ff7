// The relatives of map over real workers: what they give, in which order, and what becomes of errors.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/ranges.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

int twice(int n) { return 2 * n; }
int refuse_three(int n) {
  if (n % 10 == 3) throw std::runtime_error("no " + std::to_string(n));
  return n;
}
int die_at_three(int n) {
  if (n == 3) std::raise(SIGKILL);
  return n;
}
bool is_even(int n) { return n % 2 == 0; }
std::string text_of(int n) { return std::to_string(n) + ","; }
std::string joined(std::string a, const std::string& b) { return std::move(a) + b; }
int forty() { return 40; }
std::string greeting(const std::string& name) { return "hello " + name; }
int fails() { throw std::runtime_error("this one fails"); }
int sleeps_long() {
  while (::getppid() != 0) ::pause();
  return 1;
}
int unpacked(const std::unique_ptr<int>& n) { return *n; }

struct modulo {
  int by = 1;
  int operator()(int n) const { return n % by; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(by);
  }
};
/// Composition of x -> a x + b: associative, not commutative.
struct line {
  std::uint64_t a = 1, b = 0;
  bool operator==(const line&) const = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a, b);
  }
};
line after(const line& f, const line& g) { return {f.a * g.a, f.a * g.b + f.b}; }

class Algorithms : public ::testing::Test {
 protected:
  static pp::options local_only(const cluster& c) {
    auto options = c.client_options();
    options.discovery = false;
    options.local = 2;
    return options;
  }
  static std::vector<int> numbers(int count) {
    std::vector<int> out(static_cast<std::size_t>(count));
    std::iota(out.begin(), out.end(), 0);
    return out;
  }

  cluster cluster_;
  pp::client client_{local_only(cluster_)};
};

TEST_F(Algorithms, UnorderedGivesEveryResultOnceWithItsNumber) {
  std::map<std::uint64_t, int> seen;
  const auto note = [&](std::uint64_t number, int value) { EXPECT_TRUE(seen.emplace(number, value).second); };
  client_.map_unordered(twice, numbers(20'000), note);
  ASSERT_EQ(seen.size(), 20'000U);
  for (const auto& [number, value] : seen) ASSERT_EQ(value, 2 * static_cast<int>(number));
  client_.map_unordered(twice, std::vector<int>(), note);
  EXPECT_EQ(seen.size(), 20'000U);
}

TEST_F(Algorithms, UnorderedHandsOutTextsAndEndsWithTheCallbacksException) {
  struct enough {};
  const auto stop = [](std::uint64_t number, const std::string& text) {
    EXPECT_EQ(text, std::to_string(number) + ",");
    if (number > 50) throw enough();
  };
  EXPECT_THROW(client_.map_unordered(text_of, between{count_up(), std::unreachable_sentinel}, stop), enough);
  EXPECT_EQ(client_.map(twice, std::vector{4}), std::vector{8});
}

TEST_F(Algorithms, ForEachRunsEveryItem) {
  std::vector<std::string> files;
  for (int i = 0; i < 30; ++i) files.push_back((cluster_.directory() / ("made-" + std::to_string(i))).string());
  const auto make = [](const std::string& file) { return std::ofstream(file) << "x", 5; };
  client_.for_each(make, files);
  for (const auto& file : files) EXPECT_TRUE(std::filesystem::exists(file)) << file;
  client_.for_each(make, std::vector<std::string>());
}

TEST_F(Algorithms, TryMapKeepsTheValuesAroundAnItemThatThrew) {
  const auto all = client_.try_map(refuse_three, numbers(25), {.chunk = 10});
  ASSERT_EQ(all.size(), 25U);
  for (std::size_t i = 0; i < 25; ++i) {
    ASSERT_EQ(all[i].has_value(), i % 10 != 3) << i;
    if (all[i].has_value()) {
      EXPECT_EQ(all[i].value(), static_cast<int>(i));
    }
  }
  EXPECT_EQ(all[13].error().code(), pp::errc::job_threw);
  EXPECT_THAT(all[13].error().what(), HasSubstr("item 13 (counted from 0): no 13"));
  EXPECT_EQ(all[13].error().job()->type, "std::runtime_error");
  EXPECT_THROW(static_cast<void>(all[13].value()), pp::job_error);
  EXPECT_THAT(client_.try_map(refuse_three, std::vector<int>()), IsEmpty());
}

TEST_F(Algorithms, TryMapPutsTheLossOfAWorkerInPlace) {
  const auto all = client_.try_map(die_at_three, numbers(6), {.chunk = 2});
  ASSERT_EQ(all.size(), 6U);
  EXPECT_TRUE(all[1].has_value());
  EXPECT_EQ(all[2].error().code(), pp::errc::worker_crashed);
  EXPECT_EQ(all[3].error().job()->items, "one of items 2 to 3");
  EXPECT_EQ(all[5].value(), 5);
}

TEST_F(Algorithms, TheFirstErrorOfAMapCancelsTheRest) {
  const auto one_sleeps = [](int n) {
    if (n == 0) throw std::runtime_error("at once");
    return sleeps_long();
  };
  EXPECT_THROW(client_.map(one_sleeps, numbers(6), {.chunk = 1}), pp::job_error);
  EXPECT_EQ(client_.map(twice, std::vector{4}), std::vector{8});
}

TEST_F(Algorithms, ImapReadsAnEndlessRangeNoFurtherThanAllowed) {
  struct counted : count_up {
    int* read = nullptr;
    int operator*() const { return *read = at; }
    counted& operator++() { return count_up::operator++(), *this; }
    void operator++(int) { ++*this; }
  };
  int read = 0;
  counted first;
  first.read = &read;
  int next = 0;
  for (const int value : client_.imap(twice, between{first, std::unreachable_sentinel}, 20)) {
    ASSERT_EQ(value, 2 * next);
    ASSERT_LE(read, next + 20);
    if (++next == 500) break;
  }
  EXPECT_EQ(next, 500);
  EXPECT_THROW(static_cast<void>(client_.imap(twice, numbers(3), 0)), pp::error);
}

TEST_F(Algorithms, ImapEndsWithItsRangeAndTellsErrors) {
  const auto few = numbers(5);
  std::vector<std::string> texts;
  for (auto& text : client_.imap(text_of, few, 2)) texts.push_back(std::move(text));
  EXPECT_THAT(texts, ElementsAre("0,", "1,", "2,", "3,", "4,"));
  for (const int value : client_.imap(twice, std::vector<int>(), 2)) ADD_FAILURE() << value;
  int seen = 0;
  const auto read_all = [&] {
    for (const int value : client_.imap(refuse_three, numbers(10), 4, {.chunk = 1})) seen += value + 1;
  };
  EXPECT_THROW(read_all(), pp::job_error);
  EXPECT_EQ(seen, 1 + 2 + 3);
}

TEST_F(Algorithms, ImapUnorderedGivesEveryNumberOnce) {
  std::map<std::uint64_t, std::string> seen;
  for (auto& [number, text] : client_.imap_unordered(text_of, numbers(300), 16)) seen.emplace(number, text);
  ASSERT_EQ(seen.size(), 300U);
  EXPECT_EQ(seen[299], "299,");
}

TEST_F(Algorithms, GivingUpAnImapCancelsWhatIsUnderWay) {
  const auto sleeper = [](int n) { return n == 0 ? 7 : sleeps_long(); };
  {
    auto results = client_.imap(sleeper, between{count_up(), std::unreachable_sentinel}, 4);
    EXPECT_EQ(*results.begin(), 7);
  }
  EXPECT_EQ(client_.map(twice, std::vector{4}), std::vector{8});
}

TEST_F(Algorithms, FilterKeepsOrderAndDuplicates) {
  EXPECT_THAT(client_.filter(is_even, std::vector{4, 1, 2, 4, 7}), ElementsAre(4, 2, 4));
  EXPECT_THAT(client_.filter(is_even, std::vector<int>()), IsEmpty());
  const std::vector<std::string> texts{"a", "", "b"};
  EXPECT_THAT(client_.filter([](const std::string& s) { return !s.empty(); }, texts), ElementsAre("a", "b"));
  EXPECT_EQ(client_.filter(is_even, numbers(50'000)).size(), 25'000U);
}

TEST_F(Algorithms, StarmapSpreadsTuplesAndPairs) {
  const std::vector<std::pair<int, double>> pairs{{1, 0.5}, {2, 0.25}};
  EXPECT_THAT(client_.starmap([](int a, double b) { return a + b; }, pairs), ElementsAre(1.5, 2.25));
  const std::vector<std::tuple<std::string, int, char>> rows{{"a", 2, 'x'}, {"b", 1, 'y'}};
  const auto repeat = [](const std::string& s, auto n, auto c) { return s + std::string(std::size_t(n), c); };
  EXPECT_THAT(client_.starmap(repeat, rows), ElementsAre("axx", "by"));
  EXPECT_THAT(client_.starmap(std::plus<>(), std::vector<std::pair<int, int>>()), IsEmpty());
}

TEST_F(Algorithms, ReduceKeepsTheOrderOfOperands) {
  std::vector<line> lines;
  for (std::uint64_t i = 0; i < 3000; ++i) lines.push_back({2 * i + 1, i});
  line wanted{3, 5};
  for (const auto& l : lines) wanted = after(wanted, l);
  EXPECT_EQ(client_.reduce(after, lines, line{3, 5}), wanted);
  EXPECT_EQ(client_.reduce(after, lines, line{3, 5}, {.chunk = 7}), wanted);
  EXPECT_EQ(client_.reduce(joined, std::vector<std::string>{"b", "c", "d"}, std::string("a"), {.chunk = 1}), "abcd");
}

TEST_F(Algorithms, ReduceOfNothingIsItsInitialValueAndOfOneOperandIsOneCall) {
  EXPECT_EQ(client_.reduce(std::plus<>(), std::vector<int>(), 9), 9);
  EXPECT_EQ(client_.stats().submitted, 0U);
  EXPECT_EQ(client_.reduce(std::plus<>(), std::vector<int>{5}, 9L), 14L);
  EXPECT_TRUE(client_.reduce(std::logical_or<>(), std::vector<bool>{false, true, false}, false));
}

TEST_F(Algorithms, MapReduceSendsOneValueForEachChunk) {
  std::string wanted = ">";
  for (int i = 0; i < 2000; ++i) wanted += text_of(i);
  const auto join = [](const std::string& a, const std::string& b) { return a + b; };
  EXPECT_EQ(client_.map_reduce(text_of, join, numbers(2000), std::string(">")), wanted);
  EXPECT_EQ(client_.map_reduce(modulo{7}, std::plus<>(), numbers(14), 0), 42);
  EXPECT_EQ(client_.map_reduce([](int n) { return text_of(n); }, joined, numbers(3), std::string()), "0,1,2,");
  EXPECT_THROW(client_.map_reduce(refuse_three, std::plus<>(), numbers(20), 0), pp::job_error);
}

TEST_F(Algorithms, ParallelGivesATupleOfDifferentResults) {
  const auto all = client_.parallel(forty, pp::call(greeting, "you"), [] {});
  EXPECT_EQ(std::get<0>(all), 40);
  EXPECT_EQ(std::get<1>(all), "hello you");
}

TEST_F(Algorithms, ParallelThrowsTheFirstErrorWhileOthersStillRun) {
  try {
    client_.parallel(sleeps_long, fails);
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.message(), "this one fails");
  }
  EXPECT_EQ(client_.map(twice, std::vector{4}), std::vector{8});
}

TEST_F(Algorithms, ElementsThatOnlyMoveAreSentFromWhereTheyAre) {
  std::vector<std::unique_ptr<int>> owned;
  for (int i = 0; i < 50; ++i) owned.push_back(std::make_unique<int>(i));
  int sum = 0;
  client_.map_unordered(unpacked, owned, [&](std::uint64_t, int value) { sum += value; });
  EXPECT_EQ(sum, 49 * 50 / 2);
  EXPECT_EQ(client_.map_reduce(unpacked, std::plus<>(), owned, 0), sum);
  EXPECT_EQ(*owned.back(), 49);
}

// --- memory ----------------------------------------------------------------------------------------------------------

long peak_kilobytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

TEST_F(Algorithms, TenMillionItemsTakeNoMoreMemoryThanAFew) {
  const int count = is_sanitized ? 200'000 : 10'000'000;
  const auto remainder = [](int n) { return std::uint64_t(n % 3); };
  client_.map_reduce(remainder, std::plus<>(), between{count_up(), 100'000}, std::uint64_t{0});
  const long before = peak_kilobytes();
  std::uint64_t results = 0;
  const auto add = [&](std::uint64_t, std::uint64_t) { ++results; };
  client_.map_unordered(remainder, between{count_up(), count}, add);
  EXPECT_EQ(results, static_cast<std::uint64_t>(count));
  client_.for_each(remainder, between{count_up(), count});
  const auto n = static_cast<std::uint64_t>(count);
  const auto sum = client_.reduce(std::plus<>(), between{count_up(), count}, std::uint64_t{0});
  EXPECT_EQ(sum, n * (n - 1) / 2);
  if (!is_sanitized) {
    EXPECT_LT(peak_kilobytes() - before, 64 * 1024);
  }
}

}  // namespace
}  // namespace pp::test
