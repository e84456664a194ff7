#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using verdict = scheduler::verdict;

// Random events against a model that only remembers what it was told: whatever happens, each job ends exactly once, credit is
// kept, and when everything works again everything ends.
class chaos {
 public:
  explicit chaos(unsigned seed) : random_(seed), s_(attempts) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    finish();
    EXPECT_EQ(ended_.size(), submitted_);
    EXPECT_EQ(s_.queued() + s_.in_flight(), 0U);
    EXPECT_EQ(s_.numbers().finished, submitted_);
  }

 private:
  static constexpr unsigned attempts = 3;
  struct sent_job {
    std::uint32_t job;
    std::uint16_t attempt;
    bool recalled = false;
  };
  struct model_node {
    std::uint32_t index;
    int credit;
    std::vector<sent_job> jobs;
  };

  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }

  void step() {
    switch (below(8)) {
      case 0: add_node(); break;
      case 1: lose_node(); break;
      case 2:
      case 3: submit(); break;
      default: answer(); break;
    }
    decide();
  }
  void add_node() {
    if (nodes_.size() > 6) return;
    const auto slots = 1 + below(4);
    const auto index = s_.on_node_ready(slots);
    const int credit = static_cast<int>(slots + below(8));
    s_.on_credit(index, credit);
    nodes_.push_back({index, credit, {}});
  }
  void lose_node() {
    if (nodes_.empty() || below(4) != 0) return;
    const auto which = below(nodes_.size());
    std::vector<std::uint32_t> unknown;
    s_.on_node_lost(nodes_[which].index, unknown);
    for (const auto job : unknown) EXPECT_EQ(++ended_[job], 1);
    nodes_.erase(nodes_.begin() + which);
  }
  void submit() {
    for (unsigned n = below(10); n > 0; --n) {
      s_.on_submit(static_cast<std::uint32_t>(submitted_++), 0);
    }
  }
  void decide() {
    actions_.clear();
    s_.decide(actions_, 1000);
    for (const auto& a : actions_) {
      auto& n = *std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& m) { return m.index == a.node; });
      if (a.what == kind::send) {
        n.jobs.push_back({a.job, a.attempt});
        EXPECT_LE(n.jobs.size(), static_cast<std::size_t>(n.credit));
      } else {
        const auto known = std::find_if(n.jobs.begin(), n.jobs.end(), [&](const auto& j) { return j.job == a.job; });
        ASSERT_NE(known, n.jobs.end());
        EXPECT_FALSE(known->recalled);
        known->recalled = true;
      }
    }
  }
  void answer() {
    if (nodes_.empty()) return;
    auto& n = nodes_[below(nodes_.size())];
    if (n.jobs.empty()) return;
    const auto which = below(n.jobs.size());
    const sent_job j = n.jobs[which];
    n.jobs.erase(n.jobs.begin() + which);
    const auto what = j.recalled && below(2) == 0 ? outcome::not_started
                      : below(10) == 0            ? outcome::crashed
                                                  : outcome::done;
    const unsigned credit = below(3);
    const unsigned given = n.credit <= 1 && credit == 0 ? 1 : credit;
    n.credit += static_cast<int>(given) - 1;
    const auto v = s_.on_result(j.job, n.index, j.attempt, what, given);
    EXPECT_NE(v, verdict::stale);
    if (v == verdict::deliver) {
      EXPECT_EQ(++ended_[j.job], 1);
    }
  }
  void finish() {
    add_node();
    if (nodes_.empty()) add_node();
    for (std::size_t guard = 0; s_.queued() + s_.in_flight() > 0 && guard < 1'000'000; ++guard) {
      decide();
      answer();
    }
  }

  std::mt19937 random_;
  scheduler s_;
  std::vector<model_node> nodes_;
  std::vector<scheduler::action> actions_;
  std::map<std::uint32_t, int> ended_;
  std::size_t submitted_ = 0;
};

TEST(Scheduler, EveryJobEndsExactlyOnceWhateverHappens) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    chaos(seed).run(300);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace pp::ppclient
