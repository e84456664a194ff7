// pp::worker_state in real workers: made once per process, kept between jobs, made again in the worker that replaces a dead one.
#include <unistd.h>
#include <csignal>
#include <map>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/system/on_node_or_local.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

struct job_counter {
  int jobs = 0;
};
std::pair<int, int> count_job(int) {
  auto& state = worker_state<job_counter>();
  return {getpid(), ++state.jobs};
}

struct loaded {
  int makings;
};
int use_what_fails_first() {
  static int makings = 0;
  return worker_state<loaded>([] {
           if (++makings == 1) throw std::runtime_error("not yet");
           return loaded{makings};
         })
      .makings;
}
void die() { kill(getpid(), SIGKILL); }

class StateInWorkers : public on_node_or_local {};

TEST_P(StateInWorkers, IsMadeOncePerWorkerAndSeesEveryJobOfIt) {
  start(2);
  std::vector<pp::future<std::pair<int, int>>> jobs;
  for (int i = 0; i < 200; ++i) jobs.push_back(client->submit(count_job, i));
  std::map<int, int> seen, highest;
  for (auto& job : jobs) {
    const auto [pid, number] = job.get();
    ++seen[pid];
    highest[pid] = std::max(highest[pid], number);
  }
  // As many jobs as were counted: had it been made twice, the numbers would have begun again.
  EXPECT_EQ(seen, highest);
  EXPECT_LE(seen.size(), 2U);
  EXPECT_EQ(seen.count(getpid()), 0U);
}

TEST_P(StateInWorkers, IsMadeAnewInTheWorkerThatReplacesADeadOne) {
  start(1);
  const auto before = client->submit(count_job, 0).get();
  EXPECT_EQ(client->submit(count_job, 0).get(), (std::pair{before.first, 2}));
  EXPECT_THROW(client->submit({.attempts = 1}, die).get(), pp::error);
  const auto after = client->submit(count_job, 0).get();
  EXPECT_NE(after.first, before.first);
  EXPECT_EQ(after.second, 1);
}

TEST_P(StateInWorkers, FailsTheJobWhoseMakerThrewAndIsTriedAgainByTheNext) {
  start(1);
  EXPECT_THROW(client->submit(use_what_fails_first).get(), pp::job_error);
  EXPECT_EQ(client->submit(use_what_fails_first).get(), 2);
  EXPECT_EQ(client->submit(use_what_fails_first).get(), 2);
}

INSTANTIATE_TEST_SUITE_P(Where, StateInWorkers, ::testing::Bool(), name_of_place);

}  // namespace
}  // namespace pp::test
