// Jobs on real nodes: values, exceptions, sizes, counts, output, and what is sent of the program.
#include <fcntl.h>
#include <unistd.h>
#include <cstdio>

#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::uint64_t square(std::uint64_t n) { return n * n; }
bytes reversed(const bytes& data) { return {data.rbegin(), data.rend()}; }

struct price_list {
  std::map<std::string, double> prices;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(prices);
  }
};
price_list doubled(price_list list) {
  for (auto& [name, price] : list.prices) price *= 2;
  return list;
}

struct out_of_stock : std::runtime_error {
  using std::runtime_error::runtime_error;
};
int buy(int count) {
  std::cerr << "looking for " << count << '\n';
  throw out_of_stock("only " + std::to_string(count - 1) + " left");
}

/// Leaves a trace of every execution, however the result fares.
int leave_trace(const std::string& file, int number) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string line = std::to_string(number) + "\n";
  const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  close(fd);
  return written ? 2 * number : -1;
}

TEST(Jobs, RunOnANodeAndReturnTheirValue) {
  const cluster c;
  const auto n = c.start_node("node-a");
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(square, 12).get(), 144U);
  EXPECT_EQ(client.submit([](const std::string& a, int b) { return a + std::to_string(b); }, "x", 5).get(), "x5");
  EXPECT_EQ(client.submit(doubled, price_list{{{"tea", 1.5}}}).get().prices.at("tea"), 3.0);
  client.submit([] {}).get();
  auto where = client.submit(square, 1);
  EXPECT_EQ(where.node(), "node-a");
}

TEST(Jobs, ConvertArgumentsToTheParameterTypes) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  const int narrow = 3;
  EXPECT_EQ(client.submit(square, narrow).get(), 9U);
  EXPECT_EQ(client.submit([](double d) { return d / 2; }, 5).get(), 2.5);
}

TEST(Jobs, ARemoteExceptionComesBackWithItsTypeTextNodeAndStderr) {
  const cluster c;
  const auto n = c.start_node("node-a");
  pp::client client(c.client_options());
  auto future = client.submit(buy, 7);
  try {
    future.get();
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    EXPECT_EQ(e.code(), pp::errc::job_threw);
    EXPECT_EQ(e.code(), pp::condition::job_failed);
    EXPECT_THAT(e.type(), HasSubstr("out_of_stock"));
    EXPECT_EQ(e.message(), "only 6 left");
    EXPECT_EQ(e.node(), "node-a");
    EXPECT_THAT(e.stderr_tail(), HasSubstr("looking for 7"));
    EXPECT_THAT(e.what(), HasSubstr("only 6 left"));
  }
  EXPECT_EQ(client.submit(square, 3).get(), 9U) << "the worker goes on";
}

TEST(Jobs, SixtyFourMebibytesGoThereAndBack) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  bytes data(64U << 20U);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 2654435761U >> 24U);
  const bytes back = client.submit(reversed, data).get();
  ASSERT_EQ(back.size(), data.size());
  EXPECT_TRUE(std::equal(back.rbegin(), back.rend(), data.begin()));
}

TEST(Jobs, TenThousandSmallOnesRunExactlyOnceEach) {
  const cluster c;
  const auto a = c.start_node("node-a");
  const auto b = c.start_node("node-b");
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 2));
  const std::string file = (c.directory() / "trace").string();
  constexpr int count = 10'000;
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < count; ++i) futures.push_back(client.submit(leave_trace, file, i));
  for (int i = 0; i < count; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), 2 * i);

  std::istringstream lines(read_file(file));
  std::multiset<int> executed;
  for (int number = 0; lines >> number;) executed.insert(number);
  EXPECT_EQ(executed.size(), static_cast<std::size_t>(count)) << "executions";
  EXPECT_EQ(std::set<int>(executed.begin(), executed.end()).size(), static_cast<std::size_t>(count))
      << "different jobs";
  EXPECT_EQ(client.stats().done, static_cast<std::uint64_t>(count));
  EXPECT_EQ(client.stats().rescheduled, 0U);
  EXPECT_GT(find_node(client, "node-a").jobs_done, 0U);
  EXPECT_GT(find_node(client, "node-b").jobs_done, 0U);
}

TEST(Jobs, ManyThreadsSubmitAtOnce) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&client, &right, t] {
      std::vector<pp::future<std::uint64_t>> futures;
      for (std::uint64_t i = 0; i < 500; ++i) futures.push_back(client.submit(square, t * 1000 + i));
      for (std::uint64_t i = 0; i < 500; ++i) right += futures[i].get() == (t * 1000 + i) * (t * 1000 + i) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 2000);
}

// --- output ----------------------------------------------------------------------------------------------------------

int chatter(int n) {
  std::printf("printf %d\n", n);
  std::cout << "cout " << n << std::endl;
  std::cerr << "cerr " << n << '\n';
  return n;
}

std::size_t flood(std::size_t size) {
  const std::string line(1023, 'x');
  for (std::size_t written = 0; written < size; written += 1024) std::puts(line.c_str());
  std::puts("the end");
  return size;
}

TEST(Jobs, WhatAJobPrintsComesBackWithItsResult) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  auto first = client.submit(chatter, 1), second = client.submit(chatter, 2), silent = client.submit([] { return 0; });
  EXPECT_EQ(first.output().out, "printf 1\ncout 1\n");
  EXPECT_EQ(first.output().err, "cerr 1\n");
  EXPECT_EQ(second.output().out, "printf 2\ncout 2\n");
  EXPECT_EQ(silent.output().out, "");
  EXPECT_EQ(first.get(), 1);
}

TEST(Jobs, GetEchoesTheOutputUnlessItIsTurnedOff) {
  const cluster c;
  const auto n = c.start_node();
  auto options = c.client_options();
  options.echo_output = true;
  pp::client loud(options), quiet(c.client_options());
  auto heard = loud.submit(chatter, 5), unheard = quiet.submit(chatter, 6);
  heard.wait();
  unheard.wait();
  ::testing::internal::CaptureStdout();
  heard.get();
  unheard.get();
  std::fflush(stdout);
  const std::string printed = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(printed, HasSubstr("cout 5"));
  EXPECT_THAT(printed, Not(HasSubstr("cout 6")));
}

TEST(Jobs, AFloodOfOutputIsCutInTheMiddleAndCounted) {
  const cluster c;
  const auto n = c.start_node();
  pp::client client(c.client_options());
  auto future = client.submit(flood, std::size_t{20} << 20U);
  const auto printed = future.output();
  EXPECT_LE(printed.out.size(), std::size_t{1} << 20U);
  EXPECT_GT(printed.out.size(), std::size_t{900} << 10U);
  EXPECT_THAT(printed.out.substr(printed.out.size() - 8), "the end\n");
  EXPECT_EQ(printed.out.size() + printed.out_dropped, (std::size_t{20} << 20U) + 8);
}

// --- the program -----------------------------------------------------------------------------------------------------

/// Runs one job on every node it finds in the environment and tells how much of the program it had to send.
int tell_code_bytes() {
  pp::client client;
  client.submit(square, 2).get();
  std::printf("%llu\n", static_cast<unsigned long long>(client.stats().code_bytes_sent));
  return 0;
}
const client_program code_bytes("code_bytes", tell_code_bytes);

TEST(Jobs, TheSecondRunOfAProgramSendsNoCode) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "0");
  const auto n = c.start_node();
  const auto first = run_program(c.program("code_bytes"));
  const auto second = run_program(c.program("code_bytes"));
  ASSERT_EQ(first.end, (exit_state{0, 0})) << first.err;
  ASSERT_EQ(second.end, (exit_state{0, 0})) << second.err;
  EXPECT_GT(std::stoull("0" + first.out), 1000U);
  EXPECT_EQ(second.out, "0\n");
}

TEST(Jobs, ANodeKeepsProgramsAcrossItsRestart) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "0");
  c.set("XDG_CACHE_HOME", "");
  node::parameters p;
  p.environment["XDG_CACHE_HOME"] = (c.directory() / "kept").string();
  auto n = c.start_node(p);
  ASSERT_EQ(run_program(c.program("code_bytes")).end, (exit_state{0, 0}));
  n->terminate();
  ASSERT_EQ(n->process().wait(), (exit_state{0, 0})) << n->log();
  n = c.start_node(p);
  EXPECT_EQ(run_program(c.program("code_bytes")).out, "0\n");
}

int client_without_init() {
  try {
    pp::client client;
  } catch (const pp::error& e) {
    std::printf("%s\n", e.what());
    return e.code() == pp::errc::not_initialised ? 0 : 2;
  }
  return 3;
}
const client_program no_init("no_init", client_without_init);

TEST(Jobs, AClientWithoutInitSaysSoAtOnce) {
  const cluster c;
  const auto ran = run_program(c.program("no_init"));
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("pp::init"));
}

TEST(Jobs, BackPressureHoldsSubmitUntilRoomIsThere) {
  const cluster c;
  const auto n = c.start_node();
  auto options = c.client_options();
  options.max_pending_bytes = 1 << 20U;
  pp::client client(options);
  std::vector<pp::future<bytes>> futures;
  for (int i = 0; i < 40; ++i) futures.push_back(client.submit(reversed, bytes(300'000, static_cast<std::uint8_t>(i))));
  for (std::size_t i = 0; i < futures.size(); ++i)
    EXPECT_EQ(futures[i].get(), bytes(300'000, static_cast<std::uint8_t>(i)));
}

}  // namespace
}  // namespace pp::test
