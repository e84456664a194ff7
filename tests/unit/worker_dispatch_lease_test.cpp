// Workers that are checked out, and jobs that go one to each worker, decided without processes.
#include "tests/unit/worker_dispatch_lab.hpp"

namespace pp::worker {
namespace {

using namespace std::chrono_literals;
using wire::place_use;

dispatch::new_job with_place(std::uint64_t id, place_use use, std::uint64_t place) {
  dispatch::new_job what;
  what.id = id;
  what.size = 100;
  what.use = use;
  what.place = place;
  return what;
}
dispatch::new_job opening(std::uint64_t id, std::uint64_t place) { return with_place(id, place_use::opens, place); }
dispatch::new_job inside(std::uint64_t id, std::uint64_t place) { return with_place(id, place_use::inside, place); }

class DispatchLeases : public ::testing::Test {
 protected:
  explicit DispatchLeases(unsigned slots = 2) : lab(with_slots(slots)) {}

  /// Runs what opens it on some worker: which one that was.
  worker_id check_out(owner_id owner, std::uint64_t place) {
    lab.submit(owner, image, opening(1000 + place, place));
    lab.settle();
    lab.ready_all();
    for (auto& [w, worker] : lab.workers) {
      if (!worker.is_alive || worker.pipe.empty() || worker.pipe.back().id != 1000 + place) continue;
      lab.finish(w, 0ms);
      return w;
    }
    ADD_FAILURE() << "no worker was given the job that opens " << place << "\n" << lab.describe();
    return nothing;
  }
  bool has(worker_id w, std::uint64_t id) const {
    for (const auto& job : lab.workers.at(w).pipe) {
      if (job.id == id) return true;
    }
    return false;
  }

  dispatch_lab lab;
  owner_id a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  group_id image = lab.d.on_group_added();
};

TEST_F(DispatchLeases, KeepsJobsOfOthersOutOfTheWorker) {
  const auto mine = check_out(a, 7);
  EXPECT_EQ(lab.d.lent(), 1U);
  lab.submit(a, image, 1, 20);
  lab.submit(b, image, 1, 20);
  lab.settle();
  lab.ready_all();
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(lab.workers[mine].pipe.empty());
    for (auto& [w, worker] : lab.workers) {
      if (w != mine && worker.is_ready) lab.finish(w);
    }
  }
  EXPECT_EQ(lab.count("result"), 41U);
}

TEST_F(DispatchLeases, RunsItsOwnersJobsThereInTheirOrder) {
  const auto mine = check_out(a, 7);
  for (std::uint64_t id = 1; id <= 5; ++id) lab.submit(a, image, inside(id, 7));
  lab.settle();
  for (std::uint64_t id = 1; id <= 5; ++id) {
    ASSERT_TRUE(lab.begin(mine));
    EXPECT_EQ(lab.workers[mine].running()->id, id);
    lab.finish(mine, 100ms);
  }
  EXPECT_EQ(lab.count("result"), 6U);
}

TEST_F(DispatchLeases, GoToWhoAskedFirst) {
  const auto first = check_out(a, 1), second = check_out(a, 2);
  EXPECT_NE(first, second);
  for (std::uint64_t place = 3; place <= 5; ++place) lab.submit(a, image, opening(1000 + place, place));
  lab.settle();
  EXPECT_EQ(lab.alive(), 2U);
  EXPECT_TRUE(lab.workers[first].pipe.empty() && lab.workers[second].pipe.empty());
  lab.d.on_check_in(a, 2);
  lab.settle();
  EXPECT_TRUE(has(second, 1003));
  lab.finish(second, 0ms);
  lab.d.on_check_in(a, 1);
  lab.settle();
  EXPECT_TRUE(has(first, 1004));
}

TEST_F(DispatchLeases, GoToTheOwnerThatHasNoneBeforeOneThatHas) {
  const auto first = check_out(a, 1);
  check_out(a, 2);
  for (std::uint64_t place = 3; place <= 5; ++place) lab.submit(a, image, opening(1000 + place, place));
  lab.submit(b, image, opening(1, 1));
  lab.settle();
  lab.d.on_check_in(a, 1);
  lab.settle();
  ASSERT_EQ(lab.workers[first].pipe.size(), 1U);
  EXPECT_EQ(lab.workers[first].pipe.front().owner, b);
}

TEST_F(DispatchLeases, WaitForAWorkerThatIsKeptBusyByOrdinaryJobs) {
  lab.submit(b, image, 1, 100);
  lab.settle();
  lab.ready_all();
  for (worker_id w : {0U, 1U}) ASSERT_TRUE(lab.begin(w));
  lab.submit(a, image, opening(1, 1));
  lab.settle();
  for (int i = 0; i < 10 && lab.d.lent() == 0; ++i) {
    for (worker_id w : {0U, 1U}) lab.finish(w, 100ms);
  }
  EXPECT_EQ(lab.d.lent(), 1U);
}

TEST_F(DispatchLeases, FinishWhatIsThereBeforeTheWorkerIsFree) {
  const auto mine = check_out(a, 7);
  lab.submit(a, image, inside(1, 7));
  lab.submit(a, image, inside(2, 7));
  lab.settle();
  lab.d.on_check_in(a, 7);
  lab.settle();
  EXPECT_EQ(lab.d.lent(), 1U);
  lab.submit(a, image, inside(3, 7));
  lab.settle();
  EXPECT_EQ(lab.outcome(a, 3), "place gone");
  lab.finish(mine);
  lab.finish(mine);
  EXPECT_EQ(lab.d.lent(), 0U);
  EXPECT_EQ(lab.outcome(a, 2), "result");
  lab.submit(b, image, 1, 2);
  lab.settle();
  EXPECT_FALSE(lab.workers[mine].pipe.empty()) << "anybody's again, and not started anew";
}

TEST_F(DispatchLeases, EndWithTheirWorkerAndRepeatNothing) {
  const auto mine = check_out(a, 7);
  for (std::uint64_t id = 1; id <= 3; ++id) lab.submit(a, image, inside(id, 7));
  lab.settle();
  ASSERT_TRUE(lab.begin(mine));
  lab.die(mine);
  EXPECT_EQ(lab.outcome(a, 1), "crashed");
  EXPECT_EQ(lab.outcome(a, 2), "place gone");
  EXPECT_EQ(lab.outcome(a, 3), "place gone");
  EXPECT_EQ(lab.over, (std::vector<dispatch_lab::job_name>{{a, 7}}));
  EXPECT_EQ(lab.d.lent(), 0U);
  lab.submit(a, image, inside(4, 7));
  lab.submit(b, image, 1, 2);
  lab.settle();
  lab.ready_all();
  EXPECT_EQ(lab.outcome(a, 4), "place gone");
  EXPECT_EQ(lab.begin_all_and_count(b), 2U) << "as many workers as before";
}

TEST_F(DispatchLeases, JobWhoseResultDiedWithTheWorkerFailsToo) {
  const auto mine = check_out(a, 7);
  lab.submit(a, image, inside(1, 7));
  lab.settle();
  lab.workers[mine].pipe.front().state = claim::done;
  lab.die(mine);
  EXPECT_EQ(lab.outcome(a, 1), "crashed");
}

TEST_F(DispatchLeases, EndWithTheirOwner) {
  const auto idle = check_out(a, 7), busy = check_out(a, 8);
  lab.submit(a, image, inside(1, 8));
  lab.settle();
  ASSERT_TRUE(lab.begin(busy));
  lab.d.on_owner_removed(a);
  lab.settle();
  EXPECT_TRUE(lab.workers[busy].told_to_die);
  lab.bury();
  EXPECT_EQ(lab.d.lent(), 0U);
  lab.submit(b, image, 1, 2);
  lab.settle();
  EXPECT_FALSE(lab.workers[idle].pipe.empty());
  lab.ready_all();
  EXPECT_EQ(lab.begin_all_and_count(b), 2U);
  EXPECT_TRUE(lab.over.empty());
}

TEST_F(DispatchLeases, AreNotOpenedByAJobThatWasCancelledMeanwhile) {
  lab.submit(a, image, opening(1, 1));
  lab.settle();
  lab.ready_all();
  ASSERT_TRUE(lab.begin(0));
  lab.cancel(a, 1);
  lab.bury();
  EXPECT_EQ(lab.d.lent(), 0U);
}

TEST_F(DispatchLeases, AreTakenBackWhenTheNodeDrains) {
  const auto mine = check_out(a, 7);
  lab.submit(a, image, inside(1, 7));
  lab.submit(a, image, inside(2, 7));
  lab.settle();
  ASSERT_TRUE(lab.begin(mine));
  lab.d.drain();
  lab.settle();
  EXPECT_EQ(lab.over.size(), 1U);
  EXPECT_EQ(lab.outcome(a, 2), "not started");
  lab.finish(mine);
  EXPECT_EQ(lab.outcome(a, 1), "result");
  EXPECT_EQ(lab.d.lent(), 0U);
}

TEST_F(DispatchLeases, AreNotShedWithTheSlots) {
  const auto mine = check_out(a, 7);
  lab.d.set_slots(0);
  lab.submit(a, image, inside(1, 7));
  lab.settle();
  EXPECT_TRUE(lab.finish(mine));
  EXPECT_FALSE(lab.workers[mine].told_to_stop);
  lab.d.on_check_in(a, 7);
  lab.settle();
  EXPECT_TRUE(lab.workers[mine].told_to_stop);
}

TEST_F(DispatchLeases, OfManyTurnsLeaveNothingBehind) {
  for (std::uint64_t place = 1; place <= 100; ++place) {
    const auto w = check_out(a, place);
    lab.submit(a, image, inside(place, place));
    lab.settle();
    lab.finish(w);
    lab.d.on_check_in(a, place);
    lab.settle();
    lab.settle();
  }
  EXPECT_EQ(lab.d.lent(), 0U);
  EXPECT_LE(lab.starts, 2U) << "the same workers all the time";
  EXPECT_EQ(lab.d.program_of(image), image);
}

TEST_F(DispatchLeases, RoundGoesOnceToEachWorker) {
  lab.submit(b, image, 1);
  lab.settle();
  lab.ready_all();
  lab.finish(0);
  lab.submit(a, image, with_place(1, place_use::one_each, 5));
  lab.submit(a, image, with_place(2, place_use::one_each, 5));
  lab.settle();
  EXPECT_EQ(lab.alive(), 2U) << "the second one needs a worker of its own";
  lab.finish(0, 0ms);
  EXPECT_TRUE(lab.workers[0].pipe.empty());
  lab.ready_all();
  EXPECT_TRUE(lab.finish(1, 0ms));
  EXPECT_EQ(lab.count("result"), 3U);
}

TEST_F(DispatchLeases, RoundDoesNotHoldUpOtherJobs) {
  lab.submit(b, image, 1, 2);
  lab.settle();
  lab.ready_all();
  for (worker_id w : {0U, 1U}) ASSERT_TRUE(lab.begin(w));
  lab.finish(0, 100ms);
  lab.submit(a, image, with_place(1, place_use::one_each, 5));
  lab.submit(a, image, with_place(2, place_use::one_each, 5));
  lab.submit(a, image, 3, 3);
  lab.settle();
  for (int i = 0; i < 6; ++i) lab.finish(0, 100ms);  // the other one is at its long job all the time
  for (std::uint64_t id = 3; id <= 5; ++id) EXPECT_EQ(lab.outcome(a, id), "result");
  lab.finish(1, 100ms);
  for (int i = 0; i < 4; ++i) lab.finish(1, 100ms);
  EXPECT_EQ(lab.outcome(a, 1), "result");
  EXPECT_EQ(lab.outcome(a, 2), "result");
}

TEST_F(DispatchLeases, RoundsOfTwoProgramsEndAlthoughEachHasHalfOfTheSlots) {
  const auto other = lab.d.on_group_added();
  for (std::uint64_t id : {1U, 2U}) {
    lab.submit(a, image, with_place(id, place_use::one_each, 5));
    lab.submit(b, other, with_place(id, place_use::one_each, 5));
  }
  lab.settle();
  for (int i = 0; i < 30 && lab.count("result") < 4; ++i) {
    lab.ready_all();
    for (auto& [w, worker] : lab.workers) {
      if (worker.is_alive && worker.is_ready) lab.finish(w, 1ms);
    }
    lab.pass(60ms);
    lab.bury();
  }
  EXPECT_EQ(lab.count("result"), 4U) << lab.describe();
}

}  // namespace
}  // namespace pp::worker
