// Maps over real nodes and local workers: every result once and in order, whatever becomes of the nodes meanwhile.
#include <csignal>

#include <array>
#include <deque>
#include <fstream>
#include <list>
#include <numeric>
#include <set>
#include <thread>

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

int add_one(int n) { return n + 1; }
std::uint64_t slow_square(std::uint64_t n) {
  spend(2ms);
  return n * n;
}
std::string bracketed(const std::string& text) { return "[" + text + "]"; }

struct reading {
  std::string place;
  std::vector<double> values;
  double sum() const { return std::accumulate(values.begin(), values.end(), 0.0); }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(place, values);
  }
};
reading doubled(reading r) {
  for (auto& v : r.values) v *= 2;
  return r;
}
struct add {
  int by = 0;
  int operator()(int n) const { return n + by; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(by);
  }
};

struct wrong_number : std::runtime_error {
  using std::runtime_error::runtime_error;
};
int refuse_multiples_of_thirty(int n) {
  if (n > 0 && n % 30 == 0) throw wrong_number("I do not like " + std::to_string(n));
  return n;
}
int die_at_three(int n) {
  if (n == 3) std::raise(SIGKILL);
  return n;
}

/// Its first item ends only when the last of forty has begun.
struct wait_for_last {
  std::string file;
  int operator()(int n) const {
    if (n == 39) std::ofstream(file) << "x";
    return n > 0 || wait_until([this] { return std::filesystem::exists(file); }) ? n : -1;
  }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(file);
  }
};

/// A client with two local workers and no nodes.
pp::options local_only(const cluster& c) {
  auto options = c.client_options();
  options.discovery = false;
  options.local = 2;
  return options;
}

std::vector<int> numbers(int count) {
  std::vector<int> out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}
void expect_add_one(const std::vector<int>& results, int count) {
  ASSERT_EQ(results.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)], i + 1);
}

TEST(Map, KeepsTheOrderOfTheRangeOverSeveralNodes) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  expect_add_one(client.map(add_one, numbers(300'000)), 300'000);
  const auto squares = client.map(slow_square, numbers(400));
  for (std::size_t i = 0; i < 400; ++i) ASSERT_EQ(squares[i], i * i);
  EXPECT_GT(find_node(client, "node-a").jobs_done, 0U);
  EXPECT_GT(find_node(client, "node-b").jobs_done, 0U);
}

TEST(Map, RunsOnLocalWorkers) {
  const cluster c;
  pp::client client(local_only(c));
  expect_add_one(client.map(add_one, numbers(300'000)), 300'000);
  EXPECT_LT(client.stats().submitted, 3000U) << "items travel together";
}

TEST(Map, TakesStringsStructsStateMembersAndNothing) {
  const cluster c;
  pp::client client(local_only(c));
  EXPECT_EQ(client.map(bracketed, std::list<const char*>{"a", "", "c"}),
            (std::vector<std::string>{"[a]", "[]", "[c]"}));
  std::vector<reading> readings(500);
  for (std::size_t i = 0; i < readings.size(); ++i) readings[i] = {std::to_string(i), {double(i), 1}};
  const auto twice = client.map(doubled, readings);
  ASSERT_EQ(twice.size(), 500U);
  EXPECT_EQ(twice[499].place, "499");
  EXPECT_THAT(twice[499].values, ElementsAre(998, 2));
  EXPECT_EQ(client.map(&reading::sum, readings)[17], 18);
  EXPECT_EQ(client.map(&reading::place, readings)[17], "17");
  EXPECT_THAT(client.map(add{10}, std::array{1, 2, 3}), ElementsAre(11, 12, 13));
  EXPECT_THAT(client.map([](auto n) { return n / 2; }, std::deque<double>{1, 3}), ElementsAre(0.5, 1.5));
}

TEST(Map, AFunctionThatReturnsNothingIsRunForEveryItem) {
  const cluster c;
  pp::client client(local_only(c));
  std::vector<std::string> files;
  for (int i = 0; i < 40; ++i) files.push_back((c.directory() / ("made-" + std::to_string(i))).string());
  client.map([](const std::string& file) { std::ofstream(file) << "x"; }, files);
  for (const auto& file : files) EXPECT_TRUE(std::filesystem::exists(file)) << file;
}

TEST(Map, AnEmptyRangeSendsNothingAndOneItemIsOneJob) {
  const cluster c;
  pp::client client(local_only(c));
  EXPECT_TRUE(client.map(add_one, std::vector<int>()).empty());
  EXPECT_TRUE(client.map(add_one, between{count_up(), 0}).empty());
  EXPECT_EQ(client.stats().submitted, 0U);
  EXPECT_THAT(client.map(add_one, std::vector{41}), ElementsAre(42));
  EXPECT_EQ(client.stats().submitted, 1U);
}

TEST(Map, ARangeWithoutEndIsReadOnlyAsFarAsTheSlotsNeed) {
  const cluster c;
  pp::client client(local_only(c));
  struct enough {};
  std::vector<int> seen;
  int read = 0;
  struct counted : count_up {  // says how far it was read
    int* read = nullptr;
    int operator*() const { return *read = at; }
    counted& operator++() { return count_up::operator++(), *this; }
    void operator++(int) { ++*this; }
  };
  counted first;
  first.read = &read;
  struct stop_at_hundred {
    using difference_type = std::ptrdiff_t;
    std::vector<int>* seen;
    stop_at_hundred& operator*() { return *this; }
    stop_at_hundred& operator++() { return *this; }
    stop_at_hundred operator++(int) { return *this; }
    void operator=(int value) {
      if (seen->size() == 100) throw enough();
      seen->push_back(value);
    }
  };
  const pp::map_options by_five{.chunk = 5};
  EXPECT_THROW(client.map(add_one, between{first, std::unreachable_sentinel}, stop_at_hundred{&seen}, by_five), enough);
  EXPECT_EQ(seen.size(), 100U);
  EXPECT_LE(read, 100 + 5 * 8 * 8 + 5) << "at most eight times the window ahead of the results";
  expect_add_one(client.map(add_one, between{count_up(), 100'000}), 100'000);
}

TEST(Map, WritesIntoTheCallersOutput) {
  const cluster c;
  pp::client client(local_only(c));
  std::vector<int> out(1005, -1);
  EXPECT_EQ(client.map(add_one, numbers(1000), out), out.begin() + 1000);
  EXPECT_EQ(out[999], 1000);
  EXPECT_EQ(out[1000], -1);
  std::list<long> list;
  client.map(add_one, numbers(3), std::back_inserter(list), {.chunk = 2});
  EXPECT_THAT(list, ElementsAre(1, 2, 3));
  std::array<int, 2> small{};
  EXPECT_THROW(client.map(add_one, numbers(3), small), pp::error);
}

TEST(Map, AFixedChunkIsKept) {
  const cluster c;
  pp::client client(local_only(c));
  expect_add_one(client.map(add_one, numbers(100), {.chunk = 30}), 100);
  EXPECT_EQ(client.stats().submitted, 4U);
  try {
    client.map(add_one, numbers(3), {.chunk = std::size_t(-1)});
    FAIL() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_option);
    EXPECT_THAT(e.what(), HasSubstr("map_options.chunk"));
  }
}

// --- errors ----------------------------------------------------------------------------------------------------------

TEST(Map, TheFirstItemThatThrewIsToldWhateverTheChunks) {
  const cluster c;
  const auto n = c.start_node("node-a");
  pp::client client(c.client_options());
  for (const std::size_t chunk : {0U, 1U, 7U, 1000U}) {
    try {
      client.map(refuse_multiples_of_thirty, numbers(200), {.chunk = chunk});
      FAIL() << "nothing was thrown";
    } catch (const pp::job_error& e) {
      EXPECT_EQ(e.code(), pp::errc::job_threw);
      EXPECT_THAT(e.type(), HasSubstr("wrong_number"));
      EXPECT_EQ(e.message(), "item 30 (counted from 0): I do not like 30");
      EXPECT_EQ(e.node(), "node-a");
    }
    const auto stats = client.stats();
    EXPECT_EQ(stats.queued + stats.in_flight, 0U) << "nothing is left running";
  }
  expect_add_one(client.map(add_one, numbers(1000)), 1000);
}

TEST(Map, AnItemThatKillsItsWorkerIsNarrowedDown) {
  const cluster c;
  pp::client client(local_only(c));
  try {
    client.map(die_at_three, numbers(6), {.chunk = 2});
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::worker_crashed);
    EXPECT_EQ(e.signal(), SIGKILL);
    EXPECT_EQ(e.items(), "one of items 2 to 3");
    EXPECT_THAT(e.what(), HasSubstr("one of items 2 to 3 (counted from 0): the worker died"));
  }
}

TEST(Map, ARangeThatThrowsEndsTheMapWithItsError) {
  const cluster c;
  pp::client client(local_only(c));
  struct torn {};
  struct tearing : count_up {
    int operator*() const { return at < 50 ? at : throw torn(); }
    tearing& operator++() { return count_up::operator++(), *this; }
    void operator++(int) { ++*this; }
  };
  EXPECT_THROW(client.map(add_one, between{tearing(), 100}), torn);
  const auto stats = client.stats();
  EXPECT_EQ(stats.queued + stats.in_flight, 0U);
}

TEST(Map, CloseEndsAMapThatRuns) {
  const cluster c;
  pp::client client(local_only(c));
  std::thread closer([&] {
    wait_until([&] { return client.stats().done > 3; });
    client.close();
  });
  try {
    client.map(slow_square, between{count_up(), std::unreachable_sentinel}, {.chunk = 1});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::closed);
  }
  closer.join();
  EXPECT_THROW(client.map(add_one, numbers(3)), pp::error);
}

// --- nodes come and go -----------------------------------------------------------------------------------------------

TEST(Map, ANodeKilledInTheMiddleLosesNothing) {
  const cluster c;
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  std::thread killer([&] {
    wait_until([&] { return find_node(client, "node-b").jobs_done > 10; });
    b->kill();
  });
  const auto squares = client.map(slow_square, numbers(2000), {.chunk = 10});
  killer.join();
  ASSERT_EQ(squares.size(), 2000U);
  for (std::size_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], i * i);
  EXPECT_GT(client.stats().rescheduled, 0U);
}

TEST(Map, AMapThatBeganWithoutNodesUsesThoseThatCome) {
  const cluster c;
  pp::client client(c.client_options());
  std::vector<std::uint64_t> squares;
  std::thread mapper([&] { squares = client.map(slow_square, numbers(3000)); });
  const auto a = c.start_node("node-a");
  wait_until([&] { return client.stats().done > 10; });
  const auto b = c.start_node("node-b");
  mapper.join();
  ASSERT_EQ(squares.size(), 3000U);
  for (std::size_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], i * i);
  EXPECT_GT(find_node(client, "node-a").jobs_done, 0U);
}

TEST(Map, SlotsWorkOnBehindAnItemThatTakesLong) {
  const cluster c;
  pp::client client(local_only(c));
  const std::string file = (c.directory() / "goes on").string();
  const auto results = client.map(wait_for_last{file}, numbers(40), {.chunk = 1});
  EXPECT_EQ(results.front(), 0) << "the window of eight chunks alone would never come to the last";
  EXPECT_EQ(results.back(), 39);
}

TEST(Map, SeveralThreadsMapAtOnce) {
  const cluster c;
  pp::client client(local_only(c));
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] { expect_add_one(client.map(add_one, numbers(50'000)), 50'000); });
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace pp::test
