// The algorithms that put errors in place of results instead of ending at the first one.
#include <csignal>
#include <map>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using ::testing::HasSubstr;

int refuse_three(int n) {
  if (n % 10 == 3) throw std::runtime_error("no " + std::to_string(n));
  return n;
}
void refuse_silently(int n) {
  if (n == 3) throw std::runtime_error("no");
}
int die_at_three(int n) {
  if (n == 3) std::raise(SIGKILL);
  return n;
}

std::vector<int> numbers(int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) out.push_back(i);
  return out;
}

class TryAlgorithms : public ::testing::Test {
 protected:
  TryAlgorithms() {
    auto o = here_.client_options();
    o.discovery = false;
    o.local = 2;
    client_.emplace(o);
  }
  cluster here_;
  std::optional<pp::client> client_;
};

TEST_F(TryAlgorithms, MapUnorderedHandsOutEveryOutcomeWithItsNumber) {
  std::map<std::uint64_t, bool> seen;
  client_->try_map_unordered(refuse_three, numbers(100), [&](std::uint64_t number, pp::outcome<int> what) {
    EXPECT_TRUE(seen.emplace(number, what.has_value()).second);
    if (what) {
      EXPECT_EQ(what.value(), static_cast<int>(number));
    } else {
      EXPECT_THAT(what.error().what(), HasSubstr("no " + std::to_string(number)));
    }
  });
  ASSERT_EQ(seen.size(), 100U);
  for (const auto& [number, good] : seen) EXPECT_EQ(good, number % 10 != 3) << number;
}

TEST_F(TryAlgorithms, MapUnorderedPutsTheLossOfAWorkerInPlace) {
  std::map<std::uint64_t, bool> seen;
  const pp::map_options one_each{.chunk = 1, .job = {.attempts = 1}};
  const auto note = [&](std::uint64_t number, const pp::outcome<int>& what) { seen[number] = what.has_value(); };
  client_->try_map_unordered(die_at_three, numbers(8), note, one_each);
  ASSERT_EQ(seen.size(), 8U);
  for (const auto& [number, good] : seen) EXPECT_EQ(good, number != 3) << number;
}

TEST_F(TryAlgorithms, ImapGivesOutcomesInOrder) {
  int next = 0;
  for (const auto& what : client_->try_imap(refuse_three, numbers(60), 10)) {
    EXPECT_EQ(what.has_value(), next % 10 != 3) << next;
    if (what) {
      EXPECT_EQ(what.value(), next);
    }
    ++next;
  }
  EXPECT_EQ(next, 60);
}

TEST_F(TryAlgorithms, ImapUnorderedGivesThemWithTheirNumbers) {
  std::map<std::uint64_t, bool> seen;
  for (const auto& [number, what] : client_->try_imap_unordered(refuse_silently, numbers(30), 8))
    seen[number] = what.has_value();
  ASSERT_EQ(seen.size(), 30U);
  for (const auto& [number, good] : seen) EXPECT_EQ(good, number != 3) << number;
}

TEST_F(TryAlgorithms, StarmapGivesOutcomesInOrder) {
  const std::vector<std::pair<int, int>> pairs = {{6, 3}, {1, 0}, {8, 2}};
  const auto quotients = client_->try_starmap(
      [](int a, int b) {
        if (b == 0) throw std::domain_error("by nothing");
        return a / b;
      },
      pairs);
  ASSERT_EQ(quotients.size(), 3U);
  EXPECT_EQ(quotients[0].value(), 2);
  EXPECT_THAT(quotients[1].error().what(), HasSubstr("by nothing"));
  EXPECT_EQ(quotients[2].value(), 4);
}

}  // namespace
}  // namespace pp::test
