// Of several jobs that are late, which is started a second time.
#include <gtest/gtest.h>

#include "ppclient/scheduler.hpp"

namespace pp::ppclient {
namespace {

TEST(SchedulerLate, TheLatestIsStartedAgainFirst) {
  scheduler s(3);
  const auto add_node = [&] {
    const auto n = s.on_node_ready(1);
    s.on_credit(n, 1);
    return n;
  };
  for (int i = 0; i < 3; ++i) add_node();
  for (std::uint32_t job = 0; job < 3; ++job) s.on_submit(job, {0, 0, scheduler::none}, {.idempotent = true});
  std::vector<scheduler::action> sent, copies;
  s.decide(sent, 1000);
  ASSERT_EQ(sent.size(), 3U);
  const auto idle = add_node();
  const auto lateness = [](std::uint32_t job) -> std::uint64_t { return job == 1 ? 900 : 10 * job; };
  s.copy_late(lateness, copies, 1000);
  ASSERT_EQ(copies.size(), 1U) << "one slot idles";
  EXPECT_EQ(copies[0].job, 1U);
  EXPECT_EQ(copies[0].node, idle);
}

}  // namespace
}  // namespace pp::ppclient
