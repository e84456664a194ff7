#include "tests/unit/worker_dispatch_lab.hpp"

namespace pp::worker {
namespace {

TEST(DispatchWeight, GivesSlotsByWeight) {
  dispatch_lab lab(with_slots(4));
  const auto heavy = lab.d.on_owner_added(), light = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.d.set_weight(heavy, 3);
  lab.submit(light, group, 1, 400);
  lab.submit(heavy, group, 1, 400);
  lab.settle();
  lab.ready_all();
  unsigned heavy_runs = 0;
  for (int round = 0; round < 60; ++round) {
    const auto runs = lab.begin_all_and_count(heavy);
    if (round >= 20) heavy_runs += runs;
    for (worker_id w = 0; w < 4; ++w) lab.finish(w);
  }
  EXPECT_EQ(heavy_runs, 3U * 40);
}

TEST(DispatchWeight, GivesTurnsByWeightWhereThereIsOneSlot) {
  dispatch_lab lab(with_slots(1));
  const auto heavy = lab.d.on_owner_added(), light = lab.d.on_owner_added();
  const auto group = lab.d.on_group_added();
  lab.d.set_weight(heavy, 3);
  lab.submit(light, group, 1, 100);
  lab.submit(heavy, group, 1, 100);
  lab.settle();
  lab.ready_all();
  unsigned heavy_runs = 0;
  for (int i = 0; i < 80; ++i) {
    heavy_runs += lab.begin_all_and_count(heavy);
    lab.finish(0);
  }
  EXPECT_NEAR(heavy_runs, 60, 2);
}

}  // namespace
}  // namespace pp::worker
