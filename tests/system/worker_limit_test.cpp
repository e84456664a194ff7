// Jobs that hang, leak, or are not wanted any more, over both roads.
#include "tests/system/worker_pool_lab.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <atomic>

#include <cstring>
#include <iostream>
#include <set>

#include "pp/error.hpp"
#include "worker/usage.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t number(errc e) { return static_cast<std::uint16_t>(e); }

int wait_for_ever() {
  for (;;) ::pause();
}
int say_and_wait() {
  std::cout << "so far" << std::endl;
  return wait_for_ever();
}
int ignore_and_wait() {
  ::signal(SIGTERM, SIG_IGN);
  return wait_for_ever();
}
int burn() {
  std::atomic<std::uint64_t> rounds{0};
  for (;;) ++rounds;
}
int eat_memory() {
  for (;;) {
    constexpr std::size_t step = 4U << 20U;
    void* more = ::mmap(nullptr, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) ::pause();
    std::memset(more, 1, step);
  }
}
int add_one(int n) { return n + 1; }
std::string text_of(std::uint64_t size) { return std::string(size, 'x'); }
int print_much(std::uint64_t count) {
  const std::string line(64 * 1024, 'x');
  for (std::uint64_t i = 0; i < count; i += line.size()) std::fwrite(line.data(), 1, line.size(), stdout);
  return 7;
}
int die() { ::_exit(3); }

struct WorkerLimit : testing::Test {
  static worker::pool_options options(unsigned slots) { return pool_lab::with_slots(slots); }
  template <class F, class... Args>
  static std::uint64_t submit(pool_lab& lab, const wire::terms& t, F f, Args&&... args) {
    bytes encoded;
    wire::encode_terms(t, encoded);
    auto payload = pool_lab::call(f, std::forward<Args>(args)...);
    auto head = wire::decode_submit(payload).value();
    head.terms_bytes = static_cast<std::uint32_t>(encoded.size());
    wire::encode_submit(head, payload.data());
    payload.insert(payload.begin() + wire::submit::size, encoded.begin(), encoded.end());
    lab.pool.submit(lab.id, lab.program,
                    {++lab.last, 1, worker::job_bytes(byte_view(payload)), std::make_shared<const wire::terms>(t)});
    return lab.last;
  }
  static void wait_until_running(pool_lab& lab, unsigned count = 1) {
    lab.run_until([&] { return lab.pool.counters().running == count && !lab.pool.worker_pids().empty(); });
  }
};

TEST_F(WorkerLimit, AJobThatHangsTimesOutAndItsWorkerIsReplaced) {
  pool_lab lab(options(1));
  wire::terms t;
  t.timeout_ms = 300;
  const auto hung = submit(lab, t, say_and_wait);
  const auto next = lab.submit(add_one, 1);
  const auto began = now();
  const auto& told = lab.result_of(hung);
  EXPECT_EQ(told.code, number(errc::timed_out));
  EXPECT_EQ(told.failure().what, "the job ran longer than its time limit of 0.3 s");
  EXPECT_GT(told.failure().pid, 0U);
  EXPECT_EQ(as_text(told.parts().printed.out), "so far\n");
  EXPECT_EQ(lab.result_of(next).value<int>(), 2);
  EXPECT_GE(now() - began, 300ms);
  EXPECT_EQ(lab.pool.counters().workers_crashed, 0U);
}

TEST_F(WorkerLimit, AJobThatIgnoresSigtermIsKilledSoonAfter) {
  pool_lab lab(options(1));
  wire::terms t;
  t.timeout_ms = 200;
  const auto hung = submit(lab, t, ignore_and_wait);
  EXPECT_EQ(lab.result_of(hung).code, number(errc::timed_out));
  const auto told_at = now();
  lab.run_until([&] { return lab.pool.counters().workers == 0; });
  EXPECT_LE(now() - told_at, 2500ms);
}

TEST_F(WorkerLimit, AStoppedWorkerTimesOut) {
  pool_lab lab(options(1));
  lab.result_of(lab.submit(add_one, 1));
  ASSERT_EQ(::kill(lab.pool.worker_pids().front(), SIGSTOP), 0);
  wire::terms t;
  t.timeout_ms = 200;
  const auto stuck = submit(lab, t, add_one, 1);
  const auto next = lab.submit(add_one, 2);
  EXPECT_EQ(lab.result_of(stuck).code, number(errc::timed_out));
  EXPECT_EQ(lab.result_of(next).value<int>(), 3);
}

TEST_F(WorkerLimit, CancelBeforeTheStartCostsNothing) {
  pool_lab lab(options(1));
  const auto running = lab.submit(wait_for_ever);
  const auto queued = lab.submit(add_one, 1);
  wait_until_running(lab);
  lab.pool.cancel(lab.id, queued);
  EXPECT_EQ(lab.result_of(queued).code, number(errc::cancelled));
  EXPECT_EQ(lab.owner.results.count(running), 0U);
  EXPECT_EQ(lab.pool.counters().workers_started, 1U);
}

TEST_F(WorkerLimit, CancelEndsARunningJobAtOnceAndOthersGoOn) {
  pool_lab lab(options(1));
  const auto running = lab.submit(wait_for_ever);
  const auto behind = lab.submit(add_one, 1);
  wait_until_running(lab);
  lab.pool.cancel(lab.id, running);
  EXPECT_EQ(lab.result_of(running).code, number(errc::cancelled));
  EXPECT_EQ(lab.result_of(behind).value<int>(), 2);
  EXPECT_EQ(lab.owner.results[behind].times, 1U);
}

TEST_F(WorkerLimit, AJobThatBurnsMoreCpuThanItMayIsEnded) {
  pool_lab lab(options(1));
  wire::terms t;
  t.cpu_ms = 300;
  const auto& told = lab.result_of(submit(lab, t, burn));
  EXPECT_EQ(told.code, number(errc::timed_out));
  EXPECT_EQ(told.failure().what, "the job used more CPU time than its limit of 0.3 s");
  EXPECT_GE(told.failure().cpu_ms, 300U);
}

TEST_F(WorkerLimit, AJobThatAllocatesWithoutEndEndsAloneAndInTime) {
  pool_lab lab(options(2));
  wire::terms t;
  t.memory = 256U << 20U;
  const auto neighbour = lab.submit(wait_for_ever);
  wait_until_running(lab);
  const auto neighbours_pid = lab.pool.worker_pids().front();
  for (int round = 0; round < (is_sanitized ? 10 : 100); ++round) {
    const auto began = now();
    const auto& told = lab.result_of(submit(lab, t, eat_memory));
    ASSERT_EQ(told.code, number(errc::memory_limit)) << told.failure().what;
    EXPECT_LE(now() - began, 2s);
    EXPECT_GT(told.failure().peak_memory, t.memory);
    EXPECT_NE(told.failure().what.find("more than its limit of 256 MiB"), std::string::npos) << told.failure().what;
  }
  EXPECT_EQ(::kill(neighbours_pid, 0), 0);
  EXPECT_EQ(lab.owner.results.count(neighbour), 0U);
}

TEST_F(WorkerLimit, MemoryOfEarlierJobsIsNotBlamedOnALimitedOne) {
  pool_lab lab(options(1));
  EXPECT_EQ(lab.result_of(lab.submit(text_of, 60U << 20U)).value<std::string>().size(), 60U << 20U);
  wire::terms t;
  // A sanitizer keeps what was freed, to find who still uses it: there is nothing to give back.
  t.memory = is_sanitized ? 1U << 30U : 40U << 20U;
  t.timeout_ms = 400;
  EXPECT_EQ(lab.result_of(submit(lab, t, wait_for_ever)).code, number(errc::timed_out));
}

TEST_F(WorkerLimit, TheWorkersOwnLimitHoldsForEveryJob) {
  auto o = options(1);
  o.memory_limit = 200U << 20U;
  pool_lab lab(o);
  EXPECT_EQ(lab.result_of(lab.submit(eat_memory)).code, number(errc::memory_limit));
  EXPECT_EQ(lab.result_of(lab.submit(add_one, 1)).value<int>(), 2);
}

TEST_F(WorkerLimit, AResultAboveItsLimitIsRefusedAndTheWorkerLivesOn) {
  pool_lab lab(options(1));
  wire::terms t;
  t.max_result = 1000;
  const auto& told = lab.result_of(submit(lab, t, text_of, std::uint64_t{5000}));
  EXPECT_EQ(told.code, number(errc::result_too_large));
  EXPECT_NE(told.failure().what.find("more than its limit of 1000"), std::string::npos) << told.failure().what;
  EXPECT_EQ(lab.result_of(submit(lab, t, text_of, std::uint64_t{500})).value<std::string>().size(), 500U);
  EXPECT_EQ(lab.pool.counters().workers_started, 1U);
}

TEST_F(WorkerLimit, OutputThatIsNotWantedIsNotSent) {
  pool_lab lab(options(1));
  wire::terms t;
  t.drops_output = true;
  const auto quiet = submit(lab, t, print_much, std::uint64_t{100000});
  const auto loud = lab.submit(print_much, std::uint64_t{65536});
  EXPECT_TRUE(lab.result_of(quiet).parts().printed.out.empty());
  EXPECT_EQ(lab.result_of(loud).parts().printed.out.size(), 65536U);
}

TEST_F(WorkerLimit, AFloodOfOutputIsCutAndTheNodeStaysSmall) {
  pool_lab lab(options(1));
  lab.result_of(lab.submit(print_much, std::uint64_t{8U << 20U}));
  const auto before = worker::usage_of_tree(::getpid()).value().memory;
  const std::uint64_t flood = is_sanitized ? 1'000'000'000 : 10'000'000'000;
  const auto& told = lab.result_of(lab.submit(print_much, flood));
  EXPECT_EQ(told.value<int>(), 7);
  EXPECT_GT(told.parts().printed.out_dropped, 0U);
  const auto own = worker::usage_of_tree(::getpid()).value().memory;
  EXPECT_LE(own, before + (is_sanitized ? 32U << 20U : 8U << 20U)) << "sanitizers keep notes of memory";
}

TEST_F(WorkerLimit, AProgramWhoseWorkersDieTooOftenIsRefusedWithTheReason) {
  auto o = options(1);
  o.restart_limit = 5;
  pool_lab lab(o);
  for (int i = 0; i < 10; ++i) lab.submit(die);
  lab.run_until([&] { return !lab.owner.unfit_reason.empty(); });
  EXPECT_EQ(lab.owner.unfit_reason, "its workers died 6 times within an hour; the last: exited with status 3");
  EXPECT_EQ(lab.owner.count, 6U);
  EXPECT_EQ(lab.owner.returned.size(), 4U);
}

TEST_F(WorkerLimit, AJobThatMayRunOnceIsNotRepeatedAfterItsWorkerDied) {
  pool_lab lab(options(1));
  wire::terms t;
  t.at_most_once = true;
  const auto told = lab.result_of(submit(lab, t, die));
  EXPECT_EQ(told.code, number(errc::worker_crashed));
  EXPECT_EQ(told.failure().exit_status, 3U);
  EXPECT_GT(told.failure().pid, 0U);
  EXPECT_GT(told.failure().peak_memory, 0U);
  EXPECT_EQ(lab.owner.results[lab.last].times, 1U);
}

}  // namespace
}  // namespace pp::test
