#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <stdexcept>

#include "tests/support/processes.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/system/worker_pool_lab.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }
int own_pid() { return ::getpid(); }
std::vector<std::uint8_t> echo(std::vector<std::uint8_t> all) { return all; }
void raise_signal(int number) {
  std::fputs("last words\n", stderr);
  std::raise(number);
}
void leave(int status) { ::_exit(status); }
int throws() { throw std::runtime_error("no"); }
int spend_and_return(int milliseconds, int value) {
  spend(std::chrono::milliseconds(milliseconds));
  return value;
}
int leave_grandchild() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGTERM, SIG_IGN);
    for (;;) ::pause();
  }
  return child;
}
/// Makes a file, so that the test knows that the job has begun, and then lasts; for ever if that is negative.
int begin_and_last(const std::string& path, int milliseconds) {
  if (milliseconds < 0) ::signal(SIGTERM, SIG_IGN);
  ::close(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  while (milliseconds < 0) ::pause();
  spend(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}
std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "(none)" : value;
}

std::uint16_t number(errc e) { return static_cast<std::uint16_t>(e); }

TEST(WorkerPool, RunsJobsAndGivesTheirValuesBack) {
  pool_lab lab(pool_lab::with_slots(2));
  const auto job = lab.submit(add, 40, 2);
  EXPECT_TRUE(lab.owner.results.empty()) << "told from inside submit";
  EXPECT_EQ(lab.result_of(job).value<int>(), 42);
  EXPECT_EQ(lab.result_of(job).parts().head.credit, 1);
  EXPECT_NE(lab.result_of(lab.submit(own_pid)).value<int>(), ::getpid());
}

TEST(WorkerPool, GivesTenThousandJobsBackExactlyOnce) {
  constexpr std::size_t jobs = 10'000;
  pool_lab lab(pool_lab::with_slots(2));
  for (std::size_t i = 0; i < jobs; ++i) lab.submit(add, static_cast<int>(i), 1);
  lab.run_until([&] { return lab.owner.count >= jobs; });
  ASSERT_EQ(lab.owner.results.size(), jobs);
  for (const auto& [job, t] : lab.owner.results) {
    ASSERT_EQ(t.times, 1U);
    ASSERT_EQ(t.value<int>(), static_cast<int>(job));
  }
  EXPECT_EQ(lab.pool.counters().jobs_done, jobs);
  EXPECT_EQ(lab.pool.counters().queued, 0U);
}

TEST(WorkerPool, CarriesSixtyFourMebibytesBothWays) {
  pool_lab lab(pool_lab::with_slots(2));
  std::vector<std::uint8_t> large(64U << 20U);
  std::mt19937 random(1);
  for (auto& b : large) b = static_cast<std::uint8_t>(random());
  const auto first = lab.submit(echo, large);
  const auto second = lab.submit(echo, large);
  const auto small = lab.submit(add, 1, 2);
  EXPECT_TRUE(lab.result_of(first).value<std::vector<std::uint8_t>>() == large);
  EXPECT_TRUE(lab.result_of(second).value<std::vector<std::uint8_t>>() == large);
  EXPECT_EQ(lab.result_of(small).value<int>(), 3);
}

TEST(WorkerPool, PayloadsOfEverySizeAroundTheFrameLimitArrive) {
  pool_lab lab(pool_lab::with_slots(1));
  for (const std::size_t base : {std::size_t{0}, std::size_t{16384}, std::size_t{262144}, std::size_t{524288}}) {
    for (int off = -40; off <= 40; off += 5) {
      if (base == 0 && off < 0) continue;
      const std::vector<std::uint8_t> content(base + static_cast<std::size_t>(off), 0x5A);
      ASSERT_TRUE(lab.result_of(lab.submit(echo, content)).value<std::vector<std::uint8_t>>() == content)
          << content.size();
    }
  }
}

TEST(WorkerPool, AnExceptionIsAResultAndTheWorkerStays) {
  pool_lab lab(pool_lab::with_slots(1));
  const auto before = lab.result_of(lab.submit(own_pid)).value<int>();
  EXPECT_EQ(lab.result_of(lab.submit(throws)).code, number(errc::job_threw));
  EXPECT_EQ(lab.result_of(lab.submit(own_pid)).value<int>(), before);
}

TEST(WorkerPool, FourSignalsFailOnlyTheirOwnJobAndSaySo) {
  pool_lab lab(pool_lab::with_slots(2));
  ASSERT_EQ(lab.result_of(lab.submit(add, 1, 1)).code, 0);  // so that a SIGILL would be the job's own
  for (const int signal : {SIGSEGV, SIGABRT, SIGKILL, SIGFPE}) {
    const auto bad = lab.submit(raise_signal, signal);
    std::vector<std::uint64_t> good;
    for (int i = 0; i < 20; ++i) good.push_back(lab.submit(add, i, 1));
    const auto& t = lab.result_of(bad);
    EXPECT_EQ(t.code, number(errc::worker_crashed));
    EXPECT_EQ(t.failure().signal, signal);
    EXPECT_NE(t.failure().what.find("signal " + std::to_string(signal)), std::string::npos) << t.failure().what;
    EXPECT_NE(as_text(t.parts().printed.err).find("last words"), std::string_view::npos) << "signal " << signal;
    for (const auto job : good) EXPECT_EQ(lab.result_of(job).code, 0);
  }
  EXPECT_EQ(lab.pool.counters().jobs_crashed, 4U);
}

TEST(WorkerPool, AJobThatExitsHasCrashed) {
  pool_lab lab(pool_lab::with_slots(1));
  const auto& t = lab.result_of(lab.submit(leave, 9));
  EXPECT_EQ(t.code, number(errc::worker_crashed));
  EXPECT_EQ(t.failure().exit_status, 9);
  EXPECT_EQ(t.failure().signal, 0);
}

TEST(WorkerPool, WorkersKilledAtRandomCostNoJob) {
  constexpr std::size_t jobs = 2000;
  pool_lab lab(pool_lab::with_slots(2));
  std::set<std::uint64_t> crashed;
  for (std::size_t i = 0; i < jobs; ++i)
    lab.submit(spend_and_return, static_cast<int>(i % 50 == 0), static_cast<int>(i));
  std::mt19937 random(7);
  std::size_t next_kill = 50;
  lab.run_until([&] {
    if (lab.owner.count >= next_kill) {
      const auto pids = lab.pool.worker_pids();
      if (!pids.empty()) ::kill(pids[random() % pids.size()], SIGKILL);
      next_kill += 100;
    }
    return lab.owner.count >= jobs;
  });
  for (const auto& [job, t] : lab.owner.results) {
    ASSERT_EQ(t.times, 1U);
    if (t.code == 0) {
      EXPECT_EQ(t.value<int>(), static_cast<int>(job) - 1);
    } else {
      EXPECT_EQ(t.code, number(errc::worker_crashed));
      crashed.insert(job);
    }
  }
  EXPECT_EQ(lab.owner.results.size(), jobs);
  EXPECT_LE(crashed.size(), 20U);
}

TEST(WorkerPool, RecallGivesBackWhatHasNotBegunOnly) {
  pool_lab lab(pool_lab::with_slots(1));
  ASSERT_EQ(lab.result_of(lab.submit(add, 1, 1)).code, 0);
  const temporary_directory directory;
  const auto running = lab.submit(begin_and_last, (directory / "begun").string(), 300);
  const auto waiting = lab.submit(add, 1, 2);
  lab.run_until([&] { return std::filesystem::exists(directory / "begun"); });
  lab.pool.recall(lab.id, waiting);
  EXPECT_EQ(lab.result_of(waiting).code, wire::code_not_started);
  EXPECT_EQ(lab.result_of(running).value<int>(), 300);
}

TEST(WorkerPool, DrainGivesBackTheRestAndWaitIdleSeesTheEnd) {
  pool_lab lab(pool_lab::with_slots(1));
  ASSERT_EQ(lab.result_of(lab.submit(add, 1, 1)).code, 0);
  const temporary_directory directory;
  std::vector<std::uint64_t> jobs{lab.submit(begin_and_last, (directory / "begun").string(), 200)};
  for (int i = 0; i < 9; ++i) jobs.push_back(lab.submit(spend_and_return, 200, i));
  lab.run_until([&] { return std::filesystem::exists(directory / "begun"); });
  lab.pool.drain();
  lab.run(lab.pool.wait_idle(now() + generous));
  std::size_t ran = 0, back = 0;
  for (const auto job : jobs) ++(lab.owner.results.at(job).code == 0 ? ran : back);
  EXPECT_EQ(lab.owner.results.at(jobs[0]).code, 0);
  EXPECT_LE(ran, 2U) << "the second may have begun before the drain";
  EXPECT_EQ(ran + back, jobs.size());
}

TEST(WorkerPool, WaitIdleEndsAtItsLimit) {
  auto options = pool_lab::with_slots(1);
  options.kill_grace = 100ms;
  const temporary_directory directory;
  pool_lab lab(options);
  lab.submit(begin_and_last, (directory / "begun").string(), -1);
  lab.run(lab.pool.wait_idle(now() + 50ms));
  EXPECT_EQ(lab.owner.count, 0U);
}

TEST(WorkerPool, ClosingLeavesNoProcessEvenOfJobsThatIgnoreSignalsAndFork) {
  const auto before = open_descriptors();
  std::vector<int> pids;
  {
    auto options = pool_lab::with_slots(3);
    options.kill_grace = 200ms;
    pool_lab lab(options);
    pids.push_back(lab.result_of(lab.submit(leave_grandchild)).value<int>());
    const temporary_directory directory;
    const auto stuck = lab.submit(begin_and_last, (directory / "begun").string(), -1);
    lab.run_until([&] { return std::filesystem::exists(directory / "begun"); });
    for (const auto pid : lab.pool.worker_pids()) pids.push_back(pid);
    lab.close();
    EXPECT_EQ(lab.owner.results[stuck].code, number(errc::shutting_down)) << "every job comes back";
    EXPECT_TRUE(lab.pool.worker_pids().empty());
  }
  EXPECT_TRUE(wait_until_gone(pids));
  EXPECT_LE(open_descriptors(), before + 2) << "one image stays open for the other tests";
}

TEST(WorkerPool, RemovingAnOwnerKillsItsRunningJobsAndFreesTheSlot) {
  const temporary_directory directory;
  pool_lab lab(pool_lab::with_slots(1));
  keeping_owner other;
  const auto other_id = lab.pool.add_owner(other);
  lab.pool.submit(other_id, lab.program, pool_lab::job(1, begin_and_last, (directory / "begun").string(), -1));
  lab.pool.submit(other_id, lab.program, pool_lab::job(2, add, 1, 1));
  lab.run_until([&] { return std::filesystem::exists(directory / "begun"); });
  const auto pids = lab.pool.worker_pids();
  lab.pool.remove_owner(other_id);
  EXPECT_EQ(lab.result_of(lab.submit(add, 2, 2)).value<int>(), 4);
  EXPECT_TRUE(wait_until_gone(pids));
  EXPECT_EQ(other.count, 0U) << "nothing is told after remove_owner";
}

TEST(WorkerPool, OwnersMayDoAnythingFromInsideTheirCallbacks) {
  pool_lab lab(pool_lab::with_slots(2));
  keeping_owner other;
  const auto other_id = lab.pool.add_owner(other);
  bool removed = false;
  lab.owner.also = [&](std::uint64_t job) {
    if (job < 50) lab.submit(add, 1, static_cast<int>(job));
    lab.pool.recall(lab.id, job + 1);
    if (job == 20 && !std::exchange(removed, true)) lab.pool.remove_owner(other_id);
    lab.pool.set_slots(1 + static_cast<unsigned>(job % 3));
  };
  for (std::uint64_t i = 1; i <= 40; ++i) lab.pool.submit(other_id, lab.program, pool_lab::job(i, add, 1, 1));
  for (int i = 0; i < 30; ++i) lab.submit(add, 1, i);
  lab.run_until([&] { return lab.owner.count == lab.last && lab.last >= 70; });
  EXPECT_TRUE(removed);
}

TEST(WorkerPool, RecyclesProcesses) {
  auto options = pool_lab::with_slots(1);
  options.recycle_after = 2;
  pool_lab lab(options);
  std::vector<std::uint64_t> jobs;
  for (int i = 0; i < 6; ++i) jobs.push_back(lab.submit(own_pid));
  std::set<int> pids;
  for (const auto job : jobs) pids.insert(lab.result_of(job).value<int>());
  EXPECT_EQ(pids.size(), 3U);
}

TEST(WorkerPool, KeysNeverShareAWorker) {
  pool_lab lab(pool_lab::with_slots(2));
  const auto mine = lab.result_of(lab.submit(own_pid)).value<int>();
  auto strange = lab.program;
  strange.key = {1, 2, 3, 4, 5, 6, 7, 8};
  lab.pool.submit(lab.id, strange, pool_lab::job(1000, own_pid));
  EXPECT_NE(lab.result_of(1000).value<int>(), mine);
}

TEST(WorkerPool, SecretsDoNotReachTheJob) {
  ::setenv("PP_SECRET", "do not tell", 1);
  ::setenv("MY_SETTING", "tell", 1);
  auto options = pool_lab::with_slots(1);
  options.pass_environment = {"MY_SETTING", "PP_SECRET"};
  pool_lab lab(options);
  EXPECT_EQ(lab.result_of(lab.submit(variable, std::string("PP_SECRET"))).value<std::string>(), "(none)");
  EXPECT_EQ(lab.result_of(lab.submit(variable, std::string("PP_WORKER"))).value<std::string>(), "(none)");
  EXPECT_EQ(lab.result_of(lab.submit(variable, std::string("MY_SETTING"))).value<std::string>(), "tell");
  ::unsetenv("PP_SECRET");
  ::unsetenv("MY_SETTING");
}

/// Some other file in the place of a pp program.
std::shared_ptr<code::launchable> program_of(const char* path) {
  auto made = std::make_shared<code::launchable>();
  made->program = ::open(path, O_RDONLY | O_CLOEXEC);
  made->encoded = pool_lab::own_image()->encoded();
  made->id[0] = 77;
  return made;
}

TEST(WorkerPool, AProgramThatIsNoWorkerIsUnfitInWords) {
  pool_lab lab(pool_lab::with_slots(2));
  lab.program.what = program_of("/bin/true");
  for (int i = 0; i < 3; ++i) lab.submit(add, 1, 1);
  lab.run_until([&] { return lab.owner.returned.size() == 3; });
  EXPECT_NE(lab.owner.unfit_reason.find("exited with status 0 before it was ready"), std::string::npos)
      << lab.owner.unfit_reason;
  EXPECT_NE(lab.owner.unfit_reason.find("pp::init"), std::string::npos) << lab.owner.unfit_reason;
}

TEST(WorkerPool, TheLastWordsOfAProgramThatCannotStartAreTold) {
  const temporary_directory directory;
  write_file(directory / "script", "#!/bin/sh\necho 'libfoo.so.1: cannot open' >&2\nexit 127\n", 0700);
  pool_lab lab(pool_lab::with_slots(1));
  auto script = program_of("/dev/null");
  script->program_path = (directory / "script").string();
  lab.program.what = script;
  lab.submit(add, 1, 1);
  lab.run_until([&] { return !lab.owner.returned.empty(); });
  EXPECT_NE(lab.owner.unfit_reason.find("exited with status 127 before it was ready"), std::string::npos);
  EXPECT_NE(lab.owner.unfit_reason.find("libfoo.so.1: cannot open"), std::string::npos) << lab.owner.unfit_reason;
}

TEST(WorkerPool, AProgramThatIsNeverReadyIsKilledAndUnfit) {
  const temporary_directory directory;
  write_file(directory / "script", "#!/bin/sh\nsleep 1000\n", 0700);
  auto options = pool_lab::with_slots(1);
  options.start_limit = 50ms;
  pool_lab lab(options);
  auto script = program_of("/dev/null");
  script->program_path = (directory / "script").string();
  lab.program.what = script;
  lab.submit(add, 1, 1);
  lab.run_until([&] { return !lab.owner.returned.empty(); });
  EXPECT_NE(lab.owner.unfit_reason.find("within 50 ms"), std::string::npos) << lab.owner.unfit_reason;
  EXPECT_EQ(lab.pool.counters().workers_started, 3U);
  EXPECT_EQ(lab.pool.counters().workers, 0U);
}

TEST(WorkerPool, DoesNothingWhileItOnlyWaitsForALaterLook) {
  const temporary_directory directory;
  write_file(directory / "script", "#!/bin/sh\nexec sleep 1000\n", 0700);
  auto options = pool_lab::with_slots(1);
  options.kill_grace = 50ms;
  pool_lab lab(options);
  auto script = program_of("/dev/null");
  script->program_path = (directory / "script").string();
  lab.program.what = script;
  lab.submit(add, 1, 1);  // its worker is looked at again when it should have been ready
  lab.run_until([&] { return lab.pool.worker_pids().size() == 1; });
  int turns = 0;
  while (turns < 1000 && lab.io.run_one_for(100ms) > 0) ++turns;
  EXPECT_LT(turns, 100);
}

TEST(WorkerPool, AWorkerThatCallsItselfUnfitIsBelievedAtOnce) {
  pool_lab lab(pool_lab::with_slots(1));
  auto strange = std::make_shared<code::launchable>();
  strange->program = ::fcntl(pool_lab::own_program()->program, F_DUPFD_CLOEXEC, 3);
  strange->encoded = {1, 2, 3};
  strange->id[0] = 78;
  lab.program.what = strange;
  lab.submit(add, 1, 1);
  lab.run_until([&] { return !lab.owner.returned.empty(); });
  EXPECT_NE(lab.owner.unfit_reason.find("makes no sense"), std::string::npos) << lab.owner.unfit_reason;
  EXPECT_EQ(lab.pool.counters().workers_started, 1U);
}

TEST(WorkerPool, AFileThatIsNoProgramIsUnfitAtOnce) {
  pool_lab lab(pool_lab::with_slots(1));
  lab.program.what = program_of("/etc/hostname");
  lab.submit(add, 1, 1);
  lab.run_until([&] { return !lab.owner.returned.empty(); });
  EXPECT_NE(lab.owner.unfit_reason.find("the program cannot be started"), std::string::npos) << lab.owner.unfit_reason;
}

TEST(WorkerPool, AnotherOwnersImageGetsTheSlotOfAnIdleWorker) {
  pool_lab lab(pool_lab::with_slots(1));
  const auto mine = lab.result_of(lab.submit(own_pid)).value<int>();
  auto second = std::make_shared<code::launchable>();
  const auto own = pool_lab::own_program();
  second->program = ::fcntl(own->program, F_DUPFD_CLOEXEC, 3);
  second->contents = own->contents;
  second->encoded = own->encoded;
  second->library_path = own->library_path;
  second->id[5] = 5;  // the same program under another name
  keeping_owner other;
  const auto other_id = lab.pool.add_owner(other);
  lab.pool.submit(other_id, {second, {}}, pool_lab::job(1, own_pid));
  lab.run_until([&] { return other.count == 1; });
  EXPECT_NE(other.results[1].value<int>(), mine);
  EXPECT_TRUE(wait_until_gone({mine}));
  lab.pool.remove_owner(other_id);
}

}  // namespace
}  // namespace pp::test
