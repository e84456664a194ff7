#include <algorithm>
#include <map>
#include <random>
#include <stdexcept>

#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

using kind = scheduler::action::kind;
using outcome = scheduler::outcome;
using verdict = scheduler::verdict;

// Random events against a model that only remembers what it was told: whatever happens, each job ends exactly once, credit is
// kept also for answers that nobody waits for, nothing runs where or as often as it may not, and when everything works again
// everything ends.
class chaos {
 public:
  explicit chaos(unsigned seed) : random_(seed), s_(attempts) {
    for (unsigned i = 0; i < constraints; ++i) s_.add_constraint();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    finish();
    EXPECT_EQ(ended_.size(), jobs_.size());
    EXPECT_EQ(s_.queued() + s_.in_flight(), 0U);
    EXPECT_EQ(s_.numbers().finished, jobs_.size());
    for (const auto& n : nodes_) EXPECT_EQ(s_.ghosts(n.index), n.jobs.size()) << "every place has its job";
  }

 private:
  static constexpr unsigned attempts = 3;
  static constexpr unsigned constraints = 2;
  struct sent_job {
    std::uint32_t job;
    std::uint16_t attempt;
    bool recalled = false, cancelled = false;
  };
  struct model_node {
    std::uint32_t index;
    int credit;
    std::vector<bool> fulfils;
    std::vector<sent_job> jobs = {};
    bool silent = false;
  };
  struct model_job {
    std::uint32_t constraint;
    scheduler::job_rules rules;
    unsigned places = 0;  ///< that have not answered
    bool may_have_begun = false;
  };

  unsigned below(std::size_t n) { return static_cast<unsigned>(random_() % n); }

  void step() {
    switch (below(11)) {
      case 0: add_node(below(2) == 0, below(2) == 0); break;
      case 1: lose_node(); break;
      case 2: silence(); break;
      case 3: cancel(); break;
      case 4:
      case 5: submit(); break;
      default: answer(); break;
    }
    decide();
  }
  void add_node(bool first, bool second) {
    if (nodes_.size() > 6) return;
    const auto slots = 1 + below(4);
    const auto index = s_.on_node_ready(slots);
    if (first) s_.set_fulfils(index, 0);
    if (second) s_.set_fulfils(index, 1);
    const int credit = static_cast<int>(slots + below(8));
    s_.on_credit(index, credit);
    nodes_.push_back({index, credit, {first, second}});
  }
  void lose_node() {
    if (nodes_.empty() || below(4) != 0) return;
    const auto which = below(nodes_.size());
    for (const auto& j : nodes_[which].jobs) --jobs_[j.job].places;
    std::vector<std::uint32_t> unknown;
    s_.on_node_lost(nodes_[which].index, unknown);
    nodes_.erase(nodes_.begin() + which);
    for (const auto job : unknown) {
      EXPECT_TRUE(jobs_[job].rules.at_most_once);
      EXPECT_EQ(++ended_[job], 1);
    }
  }
  void silence() {
    if (nodes_.empty()) return;
    auto& n = nodes_[below(nodes_.size())];
    n.silent = !n.silent;
    s_.set_paused(n.index, n.silent, n.silent);
  }
  void submit() {
    for (unsigned n = below(10); n > 0; --n) {
      const auto rule = below(6);
      const scheduler::job_rules rules{below(4), rule == 0, rule < 3 && rule > 0};
      const auto constraint = below(3) == 0 ? below(constraints) : scheduler::none;
      const auto id = static_cast<std::uint32_t>(jobs_.size());
      jobs_.push_back({constraint, rules});
      s_.on_submit(id, {0, static_cast<int>(below(3)), constraint}, rules);
    }
  }
  void cancel() {
    if (jobs_.empty()) return;
    const auto job = below(jobs_.size());
    if (!s_.is_queued(job) && !s_.is_in_flight(job)) return;
    s_.cancel(job);
    EXPECT_EQ(++ended_[job], 1);
    take_cancels();
  }
  void take_cancels() {
    std::vector<scheduler::action> told;
    s_.take_cancels(told);
    for (const auto& a : told) {
      EXPECT_EQ(ended_[a.job], 1);
      sent_job& j = sent(a);
      EXPECT_FALSE(j.cancelled);
      j.cancelled = true;
    }
  }
  model_node& node(std::uint32_t index) {
    return *std::find_if(nodes_.begin(), nodes_.end(), [&](const auto& m) { return m.index == index; });
  }
  sent_job& sent(const scheduler::action& a) {
    auto& jobs = node(a.node).jobs;
    const auto known =
        std::find_if(jobs.begin(), jobs.end(), [&](const auto& j) { return j.job == a.job && j.attempt == a.attempt; });
    if (known == jobs.end()) throw std::logic_error("the node does not have this job");
    return *known;
  }
  void decide() {
    actions_.clear();
    s_.decide(actions_, 1000);
    for (const auto& a : actions_) {
      if (a.what == kind::send) {
        send(a);
      } else {
        EXPECT_FALSE(sent(a).recalled && !jobs_[a.job].rules.idempotent);
        sent(a).recalled = true;
      }
    }
  }
  void send(const scheduler::action& a) {
    model_node& n = node(a.node);
    model_job& j = jobs_[a.job];
    EXPECT_FALSE(n.silent);
    EXPECT_EQ(ended_.count(a.job), 0U);
    EXPECT_TRUE(j.constraint == scheduler::none || n.fulfils[j.constraint]);
    EXPECT_TRUE(std::none_of(n.jobs.begin(), n.jobs.end(), [&](const auto& other) { return other.job == a.job; }));
    EXPECT_FALSE(j.rules.at_most_once && j.may_have_begun);
    EXPECT_LE(++j.places, j.rules.idempotent ? 2U : 1U);
    j.may_have_begun = true;
    n.jobs.push_back({a.job, a.attempt});
    EXPECT_LE(n.jobs.size(), static_cast<std::size_t>(std::max(n.credit, 0)));
  }
  void answer() {
    if (nodes_.empty()) return;
    auto& n = nodes_[below(nodes_.size())];
    if (n.jobs.empty()) return;
    const auto which = below(n.jobs.size());
    const sent_job j = n.jobs[which];
    n.jobs.erase(n.jobs.begin() + which);
    --jobs_[j.job].places;
    const auto what = (j.recalled || j.cancelled) && below(2) == 0 ? outcome::not_started
                      : below(10) == 0                             ? outcome::crashed
                                                                   : outcome::done;
    if (what == outcome::not_started) jobs_[j.job].may_have_begun = false;
    const unsigned credit = below(3);
    const unsigned given = n.credit <= 1 && credit == 0 ? 1 : credit;
    n.credit += static_cast<int>(given) - 1;
    const bool is_over = ended_.count(j.job) > 0;
    const auto attempt = what == outcome::not_started && below(2) == 0 ? std::uint16_t{0} : j.attempt;
    const auto v = s_.on_result(j.job, n.index, attempt, what, given);
    EXPECT_EQ(v == verdict::stale, is_over);
    if (v != verdict::deliver) return;
    EXPECT_EQ(++ended_[j.job], 1);
    take_cancels();
  }
  void finish() {
    for (auto& n : nodes_) silence_off(n);
    while (nodes_.size() > 6) {
      std::vector<std::uint32_t> unknown;
      for (const auto& j : nodes_.back().jobs) --jobs_[j.job].places;
      s_.on_node_lost(nodes_.back().index, unknown);
      nodes_.pop_back();
      for (const auto job : unknown) EXPECT_EQ(++ended_[job], 1);
    }
    add_node(true, true);
    for (std::size_t guard = 0; s_.queued() + s_.in_flight() > 0 && guard < 1'000'000; ++guard) {
      decide();
      answer();
    }
  }
  void silence_off(model_node& n) {
    n.silent = false;
    s_.set_paused(n.index, false, false);
  }

  std::mt19937 random_;
  scheduler s_;
  std::vector<model_node> nodes_;
  std::vector<scheduler::action> actions_;
  std::map<std::uint32_t, int> ended_;
  std::vector<model_job> jobs_;
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
