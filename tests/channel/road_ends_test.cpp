// Both kinds of road with both of their ends, and the same tests for each: what the node sends arrives once, in order
// and whole, and so do the answers, whatever their size and whatever is taken back meanwhile.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "net/loop.hpp"
#include "net/task_group.hpp"
#include "tests/support/wait.hpp"
#include "wire/message.hpp"
#include "worker/ring_road.hpp"
#include "worker/worker_ring.hpp"

namespace pp::worker {
namespace {

struct setting {
  const char* name;
  road_kind kind;
  bool has_arena;  ///< for large arguments
  int spin_us;
};
void PrintTo(const setting& s, std::ostream* to) { *to << s.name; }

bytes pattern(std::uint64_t sequence, std::size_t size) {
  bytes all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = static_cast<std::uint8_t>(sequence * 31 + i * 7);
  return all;
}

code::descriptor copy_of(int fd) {
  return fd < 0 ? code::descriptor() : code::descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/// What runner does, without the running: claims, answers, marks done.
class worker_thread {
 public:
  using answer_to = std::function<bytes(std::uint64_t sequence, byte_view job)>;

  worker_thread(const worker_descriptors& ends, answer_to answer)
      : pipe_(copy_of(ends.pipe)), control_(control_mapping::open(ends.control)), answer_(std::move(answer)) {
    if (ends.is_ring()) {
      ring_.emplace(pipe_, ring_descriptors{copy_of(ends.node_half), copy_of(ends.worker_half), copy_of(ends.wake),
                                            copy_of(ends.arguments)});
    }
    thread_ = std::thread([this] { run(); });
  }
  ~worker_thread() { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  std::vector<std::uint64_t> begun;  ///< to be read after join()

 private:
  void run() {
    worker_road& road = ring_ ? static_cast<worker_road&>(*ring_) : pipe_;
    pipe_message message;
    while (road.read(message)) {
      if (message.head.type == wire::message_type::image) {
        road.write({0, wire::message_type::ready, 0, 0, 0}, {});
        continue;
      }
      const std::uint64_t sequence = message.head.job - 1;
      if (!control_.move(sequence, claim::queued, claim::claimed)) continue;
      begun.push_back(sequence);
      const bytes answer = answer_(sequence, message.payload);
      if (!road.write({0, wire::message_type::result, 0, message.head.attempt, message.head.job}, {answer})) return;
      control_.set(sequence, claim::done);
    }
  }

  worker_pipe pipe_;
  control_mapping control_;
  std::optional<worker_ring> ring_;
  answer_to answer_;
  std::thread thread_;
};

class RoadEnds : public ::testing::TestWithParam<setting>, protected road_events {
 protected:
  struct told {
    std::uint64_t sequence;
    std::uint16_t attempt;
    bytes payload;
  };

  RoadEnds() : tasks_(io.get_executor()) {
    const auto& how = GetParam();
    std::shared_ptr<argument_arena> arena;
    if (how.has_arena) arena = argument_arena::create();
    road = make_road(io.get_executor(), how.kind, arena, std::chrono::microseconds(how.spin_us));
    tasks_.spawn("road", road->run(*this));
    road->send_program(as_bytes("a program"));
  }
  ~RoadEnds() override {
    road->close();
    run_until([&] { return tasks_.size() == 0; });
  }
  void start(worker_thread::answer_to answer) {
    worker.emplace(road->worker_ends(), std::move(answer));
    run_until([&] { return is_ready; });
  }
  void start_echo() {
    start([](std::uint64_t, byte_view job) { return bytes(job.begin(), job.end()); });
  }

  void on_ready() override { is_ready = true; }
  void on_unfit(const std::string&) override {}
  void on_result(std::uint64_t sequence, std::uint16_t attempt, handed_bytes payload) override {
    results.push_back({sequence, attempt, bytes(payload.view.begin(), payload.view.end())});
    if (is_keeping && payload.owned) kept.push_back(payload.owned);
  }
  void on_batch_end() override {
    if (at_batch_end) at_batch_end();
  }
  void on_broken(const std::string& reason) override { broken = reason.empty() ? "the worker ended" : reason; }

  void run_until(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + test::generous;
    while (!condition() && std::chrono::steady_clock::now() < limit) step();
    ASSERT_TRUE(condition()) << "it did not happen; " << results.size() << " results; " << broken;
  }
  void step() {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(5));
  }
  void send(std::uint64_t sequence, std::size_t size) {
    road->send_job(sequence, static_cast<std::uint16_t>(sequence % 7 + 1),
                   job_bytes(byte_view(pattern(sequence, size))));
  }
  void expect_echo(std::size_t index, std::size_t size) {
    EXPECT_EQ(results[index].sequence, index);
    EXPECT_EQ(results[index].attempt, index % 7 + 1);
    EXPECT_TRUE(results[index].payload == pattern(index, size)) << index;
  }

  net::io_context io;
  std::unique_ptr<worker::road> road;
  std::optional<worker_thread> worker;
  std::vector<told> results;
  std::vector<block> kept;
  std::function<void()> at_batch_end;
  std::string broken;
  bool is_ready = false, is_keeping = false;

 private:
  net::task_group tasks_;
};

TEST_P(RoadEnds, JobsOfEverySizeArriveWholeAndInOrder) {
  start_echo();
  const std::vector<std::size_t> sizes = {
      8,         100, largest_in_ring, largest_in_ring + 1, 20, 300'000, 5U << 20U, 64'000, 9, 262'144, 262'145, 10,
      3U << 20U, 33};
  for (std::size_t i = 0; i < sizes.size(); ++i) send(i, sizes[i]);
  road->flush();
  run_until([&] { return results.size() == sizes.size(); });
  for (std::size_t i = 0; i < sizes.size(); ++i) expect_echo(i, sizes[i]);
}

TEST_P(RoadEnds, ManyJobsGoRoundWithAFullWindow) {
  start_echo();
  constexpr std::uint64_t count = 50'000;
  std::uint64_t sent = 0;
  const auto size_of = [](std::uint64_t i) { return 8 + (i % 1000 == 0 ? 20'000 : i % 300); };
  const auto fill = [&] {
    while (sent < count && sent - results.size() < claim_slots - 1) send(sent, size_of(sent)), ++sent;
    road->flush();
  };
  at_batch_end = fill;
  fill();
  run_until([&] { return results.size() == count || !broken.empty(); });
  ASSERT_EQ(broken, "");
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(results[i].payload == pattern(i, size_of(i))) << i;
}

TEST_P(RoadEnds, ResultsThatNobodyReleasesDoNotStopTheWorker) {
  is_keeping = true;  // as a slow client does: the places in the result arena stay taken
  start_echo();
  constexpr std::size_t count = 200, size = 40'000;
  for (std::uint64_t i = 0; i < count; ++i) send(i, size);
  road->flush();
  run_until([&] { return results.size() == count; });
  for (std::size_t i = 0; i < count; ++i) expect_echo(i, size);
  kept.clear();
  send(count, size);
  road->flush();
  run_until([&] { return results.size() == count + 1; });
}

TEST_P(RoadEnds, WhatIsTakenBackIsNeverBegunAndAllElseIsBegunOnce) {
  start_echo();
  std::mt19937 random(5);
  constexpr std::uint64_t count = 30'000;
  std::vector<bool> is_back(count);
  std::uint64_t sent = 0, head = 0, back = 0;
  const auto go_on = [&] {
    for (int i = 0; i < 64 && sent < count && sent - head < claim_slots - 1; ++i) send(sent++, 40);
    road->flush();
    for (std::uint64_t s = sent; random() % 2 == 0 && s-- > head;) {
      if (is_back[s] || !road->take_back(s)) break;
      is_back[s] = true;
      ++back;
    }
    if (!results.empty()) head = results.back().sequence + 1;  // as dispatch does: only results show what was passed
  };
  run_until([&] {
    go_on();
    return sent == count && results.size() + back == count;
  });
  road->finish();
  worker->join();
  EXPECT_EQ(worker->begun.size() + back, count);
  EXPECT_GT(back, 0U);
  for (std::size_t i = 1; i < worker->begun.size(); ++i) ASSERT_LT(worker->begun[i - 1], worker->begun[i]);
  for (const auto s : worker->begun) ASSERT_FALSE(is_back[s]) << s;
}

TEST_P(RoadEnds, FinishEndsTheWorkerAfterAllItsJobs) {
  start_echo();
  for (std::uint64_t i = 0; i < 100; ++i) send(i, i == 50 ? 1U << 20U : 10);
  road->flush();
  road->finish();
  run_until([&] { return results.size() == 100; });
  worker->join();
}

TEST_P(RoadEnds, DrainTellsWhatTheWorkerPublished) {
  start_echo();
  const auto size_of = [](std::uint64_t i) { return i % 50 == 49 ? std::size_t{20'000} : std::size_t{100}; };
  for (std::uint64_t i = 0; i < 300; ++i) send(i, size_of(i));
  road->flush();
  road->finish();
  worker->join();  // nobody reads meanwhile
  road->drain(*this);
  ASSERT_EQ(results.size(), 300U);
  for (std::size_t i = 0; i < 300; ++i) expect_echo(i, size_of(i));
}

INSTANTIATE_TEST_SUITE_P(Roads, RoadEnds,
                         ::testing::Values(setting{"socket", road_kind::socket, false, 0},
                                           setting{"ring", road_kind::ring, true, 100},
                                           setting{"ring_without_spinning", road_kind::ring, true, 0},
                                           setting{"ring_without_arena", road_kind::ring, false, 100}),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace pp::worker
