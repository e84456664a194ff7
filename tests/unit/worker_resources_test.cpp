// What jobs need of a node beside a slot: the counting, and what dispatch makes of it.
#include "worker/resources.hpp"

#include "tests/unit/worker_dispatch_lab.hpp"

namespace pp::worker {
namespace {

using namespace std::chrono_literals;
using needs = std::vector<wire::resource>;

TEST(ResourceStock, HasWhatWasDeclaredAndNotTaken) {
  resource_stock stock({{"gpu", 2}, {"licence", 1}});
  EXPECT_TRUE(stock.has({}));
  EXPECT_TRUE(stock.has({{"gpu", 2}, {"licence", 1}}));
  EXPECT_FALSE(stock.has({{"gpu", 3}}));
  EXPECT_FALSE(stock.has({{"fpga", 1}}));
  stock.take({{"gpu", 1}});
  EXPECT_FALSE(stock.has({{"gpu", 2}}));
  EXPECT_TRUE(stock.declares({{"gpu", 2}})) << "that is about what there could be";
  EXPECT_FALSE(stock.declares({{"gpu", 3}}));
  EXPECT_TRUE(stock.has({{"gpu", 1}, {"licence", 1}}));
  stock.give_back({{"gpu", 1}});
  EXPECT_TRUE(stock.has({{"gpu", 2}}));
}

TEST(ResourceStock, OwesWhatWasTakenAlthoughItWasNotThere) {
  resource_stock stock({{"gpu", 1}});
  stock.take({{"gpu", 1}});
  stock.take({{"gpu", 1}});
  stock.give_back({{"gpu", 1}});
  EXPECT_FALSE(stock.has({{"gpu", 1}}));
  stock.give_back({{"gpu", 1}});
  EXPECT_TRUE(stock.has({{"gpu", 1}}));
}

TEST(ResourceStock, IsToldInWords) {
  EXPECT_EQ(text_of({}), "");
  EXPECT_EQ(text_of({{"gpu", 1}, {"licence.cad", 20}}), "gpu=1, licence.cad=20");
}

const needs one_gpu = {{"gpu", 1}}, two_gpus = {{"gpu", 2}}, one_licence = {{"licence", 1}};

class DispatchResources : public ::testing::Test {
 protected:
  DispatchResources() : lab(with_slots(4)) { lab.d.set_resources({{"gpu", 2}, {"licence", 1}}); }

  void submit(owner_id owner, std::uint64_t id, const needs& what) {
    dispatch::new_job job;
    job.id = id;
    job.size = 100;
    job.needs = &what;
    lab.submit(owner, image, job);
  }
  /// Ids of the jobs that run, or would next.
  std::set<std::uint64_t> running() {
    lab.settle();
    lab.ready_all();
    std::set<std::uint64_t> out;
    for (auto& [w, worker] : lab.workers) {
      if (worker.is_alive && worker.is_ready && lab.begin(w)) out.insert(worker.running()->id);
    }
    return out;
  }
  void finish(std::uint64_t id) {
    for (auto& [w, worker] : lab.workers) {
      if (worker.is_alive && worker.running() != nullptr && worker.running()->id == id) {
        lab.finish(w);
        return;
      }
    }
    ADD_FAILURE() << "job " << id << " does not run";
  }
  using ids = std::set<std::uint64_t>;

  dispatch_lab lab;
  owner_id a = lab.d.on_owner_added(), b = lab.d.on_owner_added();
  group_id image = lab.d.on_group_added();
};

TEST_F(DispatchResources, RunAsManyAtOnceAsThereAreOfAllClients) {
  for (std::uint64_t id = 1; id <= 3; ++id) submit(a, id, one_gpu);
  for (std::uint64_t id = 11; id <= 13; ++id) submit(b, id, one_gpu);
  for (int left = 6; left > 0; --left) {
    const auto now_running = running();
    ASSERT_EQ(now_running.size(), left > 1 ? 2U : 1U) << lab.describe();
    finish(*now_running.begin());
  }
  EXPECT_EQ(lab.d.jobs(), 0U);
}

TEST_F(DispatchResources, OtherJobsGoPastThoseThatWait) {
  submit(a, 1, two_gpus);
  submit(a, 2, one_gpu);
  submit(a, 3, one_licence);
  lab.submit(a, image, 4);
  lab.submit(b, image, 5);
  EXPECT_EQ(running(), (ids{1, 3, 4, 5}));
  finish(1);
  EXPECT_TRUE(running().contains(2));
}

TEST_F(DispatchResources, NothingIsBoundBehindARunningJob) {
  for (std::uint64_t id = 1; id <= 40; ++id) lab.submit(a, image, id);
  submit(a, 100, one_gpu);
  running();
  for (const auto& [w, worker] : lab.workers) {
    for (const auto& job : worker.pipe) EXPECT_TRUE(job.id != 100 || &job == &worker.pipe.front());
  }
  for (int i = 0; i < 60 && lab.outcome(a, 100).empty(); ++i) {
    const auto now_running = running();
    ASSERT_FALSE(now_running.empty());
    finish(*now_running.rbegin());
  }
  EXPECT_EQ(lab.outcome(a, 100), "result");
}

TEST_F(DispatchResources, AreFreeAgainWhenAWorkerDiesOrAJobIsCancelled) {
  submit(a, 1, two_gpus);
  submit(a, 2, two_gpus);
  submit(a, 3, two_gpus);
  EXPECT_EQ(running(), (ids{1}));
  for (auto& [w, worker] : lab.workers) {
    if (worker.running() == nullptr || worker.running()->id != 1) continue;
    lab.die(w);
    break;
  }
  EXPECT_TRUE(running().contains(2));
  lab.cancel(a, 2);
  lab.bury();
  EXPECT_TRUE(running().contains(3));
  finish(3);
  EXPECT_EQ(lab.d.stock().items()[0].taken, 0U);
}

TEST_F(DispatchResources, NoWorkerIsStartedForWhatOnlyWaitsForResources) {
  submit(a, 1, two_gpus);
  running();
  const auto before = lab.alive();
  for (std::uint64_t id = 2; id <= 9; ++id) submit(a, id, two_gpus);
  running();
  EXPECT_EQ(lab.alive(), before) << lab.describe();
}

}  // namespace
}  // namespace pp::worker
