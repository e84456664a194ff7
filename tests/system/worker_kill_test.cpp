// Workers killed at random moments under load: the node knows of every job whether it had begun, checked against a
// record that the jobs keep in a file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <random>

#include "code/descriptor.hpp"
#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/system/worker_pool_lab.hpp"

namespace pp::test {
namespace {

constexpr std::size_t most_jobs = 200'000;

struct witness {
  std::atomic<std::uint8_t> begun, ended;
};

witness* open_witnesses(const std::string& path) {
  const code::descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file || ::ftruncate(file.get(), most_jobs * sizeof(witness)) != 0) return nullptr;
  void* at = ::mmap(nullptr, most_jobs * sizeof(witness), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  return at == MAP_FAILED ? nullptr : static_cast<witness*>(at);
}

// About 20 µs of work, between two marks that survive the worker.
void witnessed(const std::string& path, std::uint64_t number) {
  static witness* const all = open_witnesses(path);
  all[number].begun.fetch_add(1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
  while (std::chrono::steady_clock::now() < end) {
  }
  all[number].ended.fetch_add(1);
}

/// How often it failed, and in words.
struct verdict {
  unsigned named = 0, named_early = 0, wrongly_named = 0, begun_twice = 0, lost = 0, told_twice = 0;
};

verdict judge(const keeping_owner& owner, const witness* all, std::uint64_t jobs) {
  verdict v;
  for (std::uint64_t j = 1; j <= jobs; ++j) {
    const auto found = owner.results.find(j);
    if (found == owner.results.end()) {
      ++v.lost;
      continue;
    }
    v.told_twice += found->second.times != 1 ? 1 : 0;
    if (found->second.code == static_cast<std::uint16_t>(errc::worker_crashed)) {
      ++v.named;
      v.named_early += all[j].begun == 0 ? 1 : 0;   // claimed, but killed before the job's first instruction
      v.wrongly_named += all[j].begun > 1 ? 1 : 0;  // it had begun before
    } else {
      v.begun_twice += all[j].begun != 1 ? 1 : 0;  // somebody said that it had not begun
    }
  }
  return v;
}

TEST(WorkerKill, AtRandomMomentsCostsTheRunningJobAndNoOther) {
  constexpr unsigned kills = 100;
  const temporary_directory directory;
  const auto path = (directory / "witnesses").string();
  witness* const all = open_witnesses(path);
  ASSERT_NE(all, nullptr);
  auto options = pool_lab::with_slots(2);
  pool_lab lab(options);
  std::mt19937 random(1);
  unsigned killed = 0;
  std::size_t next_kill = 200;
  const auto feed = [&] {
    while (lab.last < most_jobs - 1 && lab.last - lab.owner.count < 1000 && killed < kills) {
      lab.submit(witnessed, path, lab.last + 1);
    }
  };
  lab.owner.also = [&](std::uint64_t) {
    if (lab.owner.count < next_kill || killed >= kills) return;
    next_kill = lab.owner.count + 20 + random() % 400;
    const auto pids = lab.pool.worker_pids();
    if (pids.empty()) return;
    ++killed;
    ::kill(pids[random() % pids.size()], SIGKILL);
  };
  lab.run_until([&] {
    feed();
    return (killed >= kills || lab.last >= most_jobs - 1) && lab.owner.count == lab.last;
  });
  EXPECT_EQ(killed, kills);
  const auto v = judge(lab.owner, all, lab.last);
  EXPECT_EQ(v.lost, 0U);
  EXPECT_EQ(v.told_twice, 0U);
  EXPECT_EQ(v.wrongly_named, 0U);
  EXPECT_LE(v.named_early, kills / 5) << "jobs that only stood in the queue were named";
  EXPECT_EQ(v.begun_twice, 0U) << "a job was called not begun although it had";
  EXPECT_LE(v.named, kills);
  EXPECT_GT(v.named, 0U);
  RecordProperty("jobs", std::to_string(lab.last));
  RecordProperty("named", std::to_string(v.named));
}

}  // namespace
}  // namespace pp::test
