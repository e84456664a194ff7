// Nodes that are drained under load, again and again, and clients that share a node: nothing is lost, nobody waits for long.
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using clock_type = std::chrono::steady_clock;

std::uint64_t slow_square(std::uint64_t n) {
  spend(2ms);
  return n * n;
}
int tiny(int n) { return n + 1; }
int nap(int ms) {
  spend(std::chrono::milliseconds(ms));
  return ms;
}

pp::options admin_options(const cluster& c) {
  auto o = c.client_options();
  o.role = pp::role::admin;
  return o;
}

/// Jobs under way all the time, each of which must give its own square once.
class stream_of_jobs {
 public:
  explicit stream_of_jobs(pp::client& client) : client_(client) {}

  void fill() {
    while (under_way_.size() < 60) under_way_.emplace_back(next_, client_.submit(slow_square, next_)), ++next_;
  }
  /// Takes the older half.
  void take_half() { take(under_way_.size() / 2); }
  void take_all() { take(under_way_.size()); }
  std::uint64_t count() const { return next_; }

 private:
  void take(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto& [n, job] = under_way_[i];
      ASSERT_TRUE(job.wait_for(generous)) << "job " << n << " is lost";
      EXPECT_EQ(job.get(), n * n);
    }
    under_way_.erase(under_way_.begin(), under_way_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  pp::client& client_;
  std::vector<std::pair<std::uint64_t, pp::future<std::uint64_t>>> under_way_;
  std::uint64_t next_ = 0;
};

enum class how_to_drain { call, signal, command };

void drain_by_call(pp::client& admin, node& n) {
  try {
    admin.drain(n.address(), 0ms, generous);
  } catch (const pp::error& e) {
    ADD_FAILURE() << e.what() << '\n' << n.log();
  }
}

void drain(const cluster& c, pp::client& admin, node& n, how_to_drain how) {
  switch (how) {
    case how_to_drain::call: return drain_by_call(admin, n);
    case how_to_drain::signal: return n.terminate();
    case how_to_drain::command: {
      const auto done = run_program(c.command({PP_CLIENT_PROGRAM, "drain", n.address()}));
      EXPECT_EQ(done.end, (exit_state{0, 0})) << done.err;
    }
  }
}

// 100 drains under load: no job is lost, each gives its result once, and every node that was drained ends with 0.
TEST(Drain, AHundredUnderLoadLoseNothing) {
  const cluster c;
  std::vector<std::unique_ptr<node>> nodes;
  nodes.push_back(c.start_node("node-a"));
  nodes.push_back(c.start_node("node-b"));
  pp::client admin(admin_options(c));
  ASSERT_TRUE(has_nodes(admin, 2));
  stream_of_jobs jobs(admin);
  const int rounds = is_sanitized ? 12 : 100;
  for (int i = 0; i < rounds && !HasFailure(); ++i) {
    auto& n = nodes[static_cast<std::size_t>(i) % nodes.size()];
    jobs.fill();
    drain(c, admin, *n, i % 10 == 9 ? how_to_drain::command : i % 2 == 0 ? how_to_drain::call : how_to_drain::signal);
    jobs.take_half();
    jobs.fill();
    EXPECT_EQ(n->process().wait(), (exit_state{0, 0})) << n->log();
    n = c.start_node(n->name());
  }
  jobs.take_all();
  EXPECT_EQ(admin.stats().done, jobs.count());
  EXPECT_EQ(admin.stats().failed, 0U);
}

TEST(Drain, IsForAdminsOnly) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  try {
    client.drain(n->address(), 0ms, generous);
    FAIL() << "nothing was thrown";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::refused);
    EXPECT_THAT(e.what(), HasSubstr("admin"));
  }
  EXPECT_TRUE(n->process().is_running());
  pp::client after(c.client_options());
  EXPECT_EQ(after.submit(tiny, 1).get(), 2);
}

TEST(Drain, TheLimitOfADrainCutsLongJobsOffWhichRunElsewhere) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client admin(admin_options(c));
  ASSERT_TRUE(has_nodes(admin, 1));
  auto job = admin.submit(nap, 1500);
  ASSERT_TRUE(wait_until([&] { return find_node(admin, "node-a").in_flight == 1; }));
  const auto other = c.start_node("node-b", 1);
  ASSERT_TRUE(has_nodes(admin, 2));
  admin.drain(n->address(), 1ms, generous);
  EXPECT_EQ(n->process().wait(), (exit_state{0, 0}));
  EXPECT_EQ(job.get(), 1500);
}

// A client with a heap of queued jobs delays another's ten jobs by at most twice their solo time plus 2 s.
TEST(Sharing, AHeapOfJobsOfOneClientHardlyDelaysAnother) {
  const cluster c;
  const auto n = c.start_node("node-a", 2);
  pp::client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 1));
  const auto ten_jobs = [&] {
    const auto began = clock_type::now();
    std::vector<pp::future<int>> jobs;
    for (int i = 0; i < 10; ++i) jobs.push_back(other.submit(nap, 50));
    for (auto& job : jobs) job.get();
    return clock_type::now() - began;
  };
  ten_jobs();  // the program is there, and a worker
  const auto solo = ten_jobs();

  pp::client greedy(c.client_options());
  ASSERT_TRUE(has_nodes(greedy, 1));
  std::vector<pp::future<int>> heap;
  for (int i = 0; i < (is_sanitized ? 200 : 1000); ++i) heap.push_back(greedy.submit(nap, 20));
  for (int i = 0; i < (is_sanitized ? 20'000 : 1'000'000); ++i) heap.push_back(greedy.submit(tiny, i));
  ASSERT_TRUE(wait_until([&] { return greedy.stats().done > 0; }));
  const auto beside = ten_jobs();
  EXPECT_LE(beside, 2 * solo + (is_sanitized ? 6s : 2s));
  EXPECT_GT(greedy.stats().queued + greedy.stats().in_flight, 0U) << "the heap must outlast the ten jobs";
}

TEST(Sharing, AKeyOfWeightThreeGetsAboutThreeTimesTheSlots) {
  const cluster c;
  const auto heavy_line = new_keyring_line("heavy"), light_line = new_keyring_line("light");
  write_file(c.directory() / "heavy", heavy_line);
  write_file(c.directory() / "light", light_line);
  write_file(c.directory() / "both", heavy_line + light_line);
  node::parameters p;
  p.workers = 4;
  p.extra = {"--share", "heavy=3", "--secret-file", (c.directory() / "both").string()};
  const auto n = c.start_node(p);
  const auto with_key = [&](const char* name) {
    auto o = c.client_options();
    o.secret_file = (c.directory() / name).string();
    o.nodes = {n->address()};
    return o;
  };
  pp::client heavy(with_key("heavy")), light(with_key("light"));
  ASSERT_TRUE(has_nodes(heavy, 1) && has_nodes(light, 1));
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 3000; ++i) {
    jobs.push_back(heavy.submit(nap, 50));  // so long that the slots decide, and not how busy this machine is
    jobs.push_back(light.submit(nap, 50));
  }
  // A worker changes from one key to the other by ending and starting, so on a busy machine the shares take their time.
  double ratio = 0;
  const auto is_about_three = [&] { return ratio > 2 && ratio < 5; };
  for (int window = 0; window < 20 && !is_about_three(); ++window) {
    const auto h = heavy.stats().done, l = light.stats().done;
    ASSERT_TRUE(wait_until([&] { return heavy.stats().done >= h + 90 && light.stats().done > l; }));
    ratio = static_cast<double>(heavy.stats().done - h) / static_cast<double>(light.stats().done - l);
  }
  EXPECT_TRUE(is_about_three()) << ratio;
}

}  // namespace
}  // namespace pp::test
