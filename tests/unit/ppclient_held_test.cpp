// Jobs that wait for others, without a client: what the pool leaves to whom, how bytes are joined, what the scheduler counts.
#include "ppclient/held.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "pp/detail/job_handle.hpp"
#include "ppclient/record.hpp"
#include "ppclient/scheduler.hpp"

namespace pp::detail {
namespace {

constexpr std::size_t plenty = std::size_t{1} << 30U;

end_pointer value_of(const std::string& text) {
  auto end = std::make_shared<ended_job>();
  end->value = block::on_heap(text.size());
  std::copy(text.begin(), text.end(), end->value.writable().begin());
  return end;
}
end_pointer failure(const std::string& id, errc code, std::vector<failed_input> inputs = {}, std::size_t left_out = 0) {
  auto why = std::make_shared<job_report>();
  why->id = id;
  why->inputs = std::move(inputs);
  why->inputs_left_out = left_out;
  auto end = std::make_shared<ended_job>();
  end->code = static_cast<std::uint16_t>(code);
  end->why = std::move(why);
  end->text = "text of " + id;
  return end;
}
std::string text_of(const payload& p) { return {reinterpret_cast<const char*>(p.data()), p.size()}; }
std::string text_of(const block& b) { return {reinterpret_cast<const char*>(b.view().data()), b.size()}; }

TEST(HeldCall, JoinsPartsInTheOrderOfTheArguments) {
  held_call held;
  held.call.parts = {{0, 2, 0, 0, false}, {2, 0, 0, 1, true}, {2, 1, 1, 0, false}, {3, 0, 1, 1, true}};
  held.ends = {value_of("one"), value_of("two")};
  payload known;
  known.append("abc", 3);
  EXPECT_EQ(text_of(join(held, known)), "abonectwo");
}

TEST(HeldCall, HandsTheViewsOfAllPartsToWhatAssemblesThem) {
  held_call held;
  held.call.parts = {{0, 1, 0, 0, false}, {1, 0, 0, 2, true}, {1, 0, 2, 0, true}};
  held.ends = {value_of("x"), value_of("yz")};
  held.call.assemble = [](std::span<const std::span<const byte_part>> parts, payload& into) {
    for (const auto& part : parts) {
      into.append("[", 1);
      for (const auto& one : part) into.append(one.data, one.size);
    }
  };
  payload known;
  known.append("k", 1);
  EXPECT_EQ(text_of(join(held, known)), "[k[xyz[");
}

TEST(HeldCall, AChainKeepsWhatBeganItAndCountsWhatItLeavesOut) {
  auto end = failure("job 0", errc::job_threw);
  job_report why;
  for (int i = 1; i <= 40; ++i) {
    tell_inputs(*end, why);
    end = failure("job " + std::to_string(i), errc::dependency_failed, why.inputs, why.inputs_left_out);
  }
  tell_inputs(*end, why);
  ASSERT_EQ(why.inputs.size(), 16U);
  EXPECT_EQ(why.inputs.front().id, "job 40");
  EXPECT_EQ(why.inputs[14].id, "job 26");
  EXPECT_EQ(why.inputs.back().id, "job 0");
  EXPECT_EQ(why.inputs.back().code, errc::job_threw);
  EXPECT_EQ(why.inputs_left_out, 25U);
  EXPECT_EQ(explain(*end), "job job 0: text of job 0 (41 jobs before this one)");
}

/// A pool and what its I/O thread would see.
struct lab {
  record_pool pool{plenty, duration(0), [] {}};
  std::vector<job_record*> fresh;
  std::vector<std::uint64_t> cancelled, ready;
  std::vector<assembled_job> assembled;

  job_record* submit() {
    auto* const record = pool.take_draft();
    pool.submit(record);
    return record;
  }
  job_record* submit_after(std::vector<std::shared_ptr<awaited_job>> inputs) {
    auto* const record = pool.take_draft();
    record->more().held = std::make_shared<held_call>();
    record->extra->held->call.inputs = std::move(inputs);
    pool.submit(record);
    return record;
  }
  void complete(job_record* record, const std::string& value) {
    record->data.assign(reinterpret_cast<const std::uint8_t*>(value.data()), value.size());
    pool.complete(record);
  }
  std::vector<std::uint64_t> collect() {
    pool.collect_ready(ready, assembled);
    pool.collect(fresh, cancelled);
    return ready;
  }
};
using ids = std::vector<std::uint64_t>;

TEST(AwaitedJob, LeavesItsValueToAllWhoWaitAndThenIsForgotten) {
  lab io;
  auto* const input = io.submit();
  auto* const first = io.submit_after({io.pool.await(*input, true)});
  auto* const second = io.submit_after({io.pool.await(*input, false), io.pool.await(*input, true)});
  EXPECT_EQ(io.collect(), ids{});
  EXPECT_EQ(io.fresh.size(), 3U);
  io.complete(input, "value");
  EXPECT_TRUE(io.pool.has_submitted());
  EXPECT_EQ(io.collect(), (ids{first->id(), second->id()}));
  EXPECT_EQ(text_of(first->extra->held->ends[0]->value), "value");
  EXPECT_EQ(second->extra->held->ends[1], first->extra->held->ends[0]) << "one copy";
  const std::weak_ptr<const ended_job> value = first->extra->held->ends[0];
  for (auto* r : {first, second}) io.pool.complete(r);
  for (auto* r : {input, first, second}) io.pool.release(r);
  EXPECT_TRUE(value.expired()) << "nobody needs it any more";
  EXPECT_EQ(io.pool.pending_bytes(), 0U);
}

TEST(AwaitedJob, ThatIsDoneIsCopiedOnceForThoseThatWaitTogether) {
  lab io;
  auto* const input = io.submit();
  io.collect();
  io.complete(input, "value");
  const auto a = io.pool.await(*input, true), b = io.pool.await(*input, true);
  EXPECT_EQ(a->end, b->end);
  EXPECT_EQ(text_of(a->end->value), "value");
  EXPECT_TRUE(io.pool.await(*input, false)->end->value.view().empty());
  io.pool.release(input);
}

TEST(AwaitedJob, ThatWasGivenUpIsThereForThoseWhoWait) {
  lab io;
  auto* const input = io.submit();
  auto* const job = io.submit_after({io.pool.await(*input, true)});
  io.pool.release(input);
  io.collect();
  io.complete(input, "value");
  EXPECT_EQ(io.collect(), ids{job->id()});
  EXPECT_EQ(text_of(job->extra->held->ends[0]->value), "value");
  io.pool.complete(job);
  io.pool.release(job);
}

TEST(HeldJob, WithoutInputsIsReadyAtOnceAndIsSeenWithItsRecord) {
  lab io;
  auto* const job = io.submit_after({});
  EXPECT_EQ(io.collect(), ids{job->id()});
  EXPECT_EQ(io.fresh, std::vector<job_record*>{job});
  EXPECT_FALSE(io.pool.has_submitted());
  io.pool.complete(job);
  io.pool.release(job);
}

TEST(HeldJob, IsToldOnceWhenAnInputFails) {
  lab io;
  auto *const bad = io.submit(), *const good = io.submit();
  auto* const job = io.submit_after({io.pool.await(*bad, true), io.pool.await(*good, true)});
  io.collect();
  bad->code = static_cast<std::uint16_t>(errc::cancelled);
  bad->more().text = "no";
  io.pool.complete(bad);
  EXPECT_EQ(io.collect(), ids{job->id()});
  ASSERT_NE(job->extra->held->failed(), nullptr);
  EXPECT_EQ(job->extra->held->failed()->code, static_cast<std::uint16_t>(errc::cancelled));
  io.complete(good, "value");
  EXPECT_EQ(io.collect(), ids{});
  io.pool.complete(job);
  for (auto* r : {bad, good, job}) io.pool.release(r);
}

TEST(HeldJob, TheLoopDoesNotSleepWhileOneIsReady) {
  lab io;
  auto* const job = io.submit_after({});
  io.pool.collect(io.fresh, io.cancelled);
  EXPECT_TRUE(io.pool.has_submitted()) << "its being ready is not collected yet";
  EXPECT_FALSE(io.pool.arm());
  EXPECT_EQ(io.collect(), ids{job->id()});
  EXPECT_TRUE(io.pool.arm());
  io.pool.complete(job);
  io.pool.release(job);
}

TEST(HeldJob, WhatIsMadeForAClosedClientIsDropped) {
  lab io;
  EXPECT_FALSE(io.pool.is_closed());
  io.pool.close();
  EXPECT_TRUE(io.pool.is_closed());
  io.pool.hand_in({});
  io.collect();
  EXPECT_TRUE(io.assembled.empty());
}

// The I/O thread completes inputs while another one registers jobs for them.
TEST(HeldJob, IsToldOnceWhateverMeets) {
  lab io;
  constexpr int count = 20'000;
  std::atomic<bool> is_over{false};
  std::uint64_t told = 0;
  std::thread loop([&] {
    for (bool is_last = false; !is_last;) {
      is_last = is_over;
      told += io.collect().size();
      for (auto* r : io.fresh) {
        if (!r->is_held()) io.complete(r, "value");
      }
    }
  });
  std::vector<job_record*> jobs;
  for (int i = 0; i < count; ++i) {
    auto* const input = io.submit();
    jobs.push_back(io.submit_after({io.pool.await(*input, true)}));
    io.pool.release(input);
  }
  is_over = true;
  loop.join();
  told += io.collect().size();
  EXPECT_EQ(told, std::uint64_t{count});
  for (auto* job : jobs) {
    EXPECT_EQ(text_of(job->extra->held->ends.at(0)->value), "value");
    io.pool.complete(job);
    io.pool.release(job);
  }
}

TEST(SchedulerHold, CountsAJobOnceAndGivesItNoPlaceBeforeItIsSubmitted) {
  ppclient::scheduler s(3);
  const auto node = s.on_node_ready(2);
  s.on_credit(node, 4);
  s.on_hold(0);
  EXPECT_TRUE(s.is_held(0));
  EXPECT_EQ(s.held(), 1U);
  EXPECT_EQ(s.queued(), 0U);
  std::vector<ppclient::scheduler::action> out;
  s.decide(out, 100);
  EXPECT_TRUE(out.empty());
  s.on_submit(0, 0);
  EXPECT_FALSE(s.is_held(0));
  EXPECT_EQ(s.held(), 0U);
  EXPECT_EQ(s.queued(), 1U);
  s.decide(out, 100);
  EXPECT_EQ(out.size(), 1U);
  EXPECT_EQ(s.numbers().submitted, 1U);
}

TEST(SchedulerHold, WhatIsDroppedIsFinishedAndItsSlotIsFree) {
  ppclient::scheduler s(3);
  s.on_hold(5);
  s.drop_held(5);
  EXPECT_EQ(s.held(), 0U);
  EXPECT_FALSE(s.is_held(5));
  EXPECT_EQ(s.numbers().finished, 1U);
  s.on_hold(5);
  EXPECT_EQ(s.numbers().submitted, 2U);
}

}  // namespace
}  // namespace pp::detail
