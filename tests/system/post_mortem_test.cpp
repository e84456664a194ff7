// What a failed job tells its caller: nested exceptions, the stack of a crash, names of functions, reports.
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"

namespace pp::test {

// Not in an unnamed namespace and not inlined, so that their names stand in the stack.
[[gnu::noinline]] int fault_at(int* where) {
  *where = 7;
  return *where + 1;
}
[[gnu::noinline]] int call_fault(std::uint64_t address) { return fault_at(reinterpret_cast<int*>(address)) + 1; }
[[gnu::noinline]] int descend(volatile int* depth) {
  volatile char room[512] = {};
  *depth = *depth + 1;
  room[*depth % 512] = 1;
  return (*depth < 0 ? 0 : descend(depth)) + room[7];
}
[[gnu::noinline]] int overflow_stack() {
  volatile int depth = 0;
  return descend(&depth);
}
[[gnu::noinline]] void fail_with(const std::string& text) {
  if (!text.empty()) throw std::runtime_error(text);
}
[[gnu::noinline]] void throw_from_noexcept(const std::string& text) noexcept { fail_with(text); }
[[gnu::noinline]] int call_noexcept(const std::string& text) {
  throw_from_noexcept(text);
  return 1;
}

namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// What the future of a job that must fail throws.
template <class Future>
pp::job_error failure_of(Future&& f) {
  try {
    f.get();
  } catch (const pp::job_error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return pp::job_error(pp::errc::closed, {});
}

pp::options one_attempt(const cluster& c) {
  auto o = c.client_options();
  o.attempts = 1;
  return o;
}

void read_table(const std::string& file) {
  try {
    throw std::invalid_argument("bad line 7 in " + file);
  } catch (...) {
    std::throw_with_nested(std::runtime_error("cannot read the table"));
  }
}
int start_model(int item) {
  try {
    read_table("t" + std::to_string(item));
  } catch (...) {
    std::throw_with_nested(std::logic_error("cannot start"));
  }
  return item;
}

TEST(PostMortem, NestedExceptionsOfAJobArrive) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  const auto e = failure_of(client.submit(start_model, 3));
  EXPECT_EQ(e.type(), "std::logic_error");
  EXPECT_EQ(e.message(), "cannot start");
  ASSERT_EQ(e.causes().size(), 2U);
  EXPECT_EQ(e.causes()[0].type, "std::runtime_error");
  EXPECT_EQ(e.causes()[1].message, "bad line 7 in t3");
  EXPECT_THAT(e.job()->function, HasSubstr("start_model(int)"));
  EXPECT_THAT(e.report(), HasSubstr("caused by std::invalid_argument: bad line 7 in t3"));
  EXPECT_EQ(e.job()->id.size(), 32U);
}

TEST(PostMortem, NestedExceptionsOfAnItemOfAMapArrive) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  const std::vector<int> items{4};
  try {
    client.map(start_model, items);
    FAIL() << "nothing was thrown";
  } catch (const pp::job_error& e) {
    ASSERT_EQ(e.causes().size(), 2U);
    EXPECT_EQ(e.causes()[1].message, "bad line 7 in t4");
  }
}

TEST(PostMortem, ALambdaIsNamedByItsType) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(c.client_options());
  const auto e = failure_of(client.submit([](int i) -> int { throw std::runtime_error(std::to_string(i)); }, 1));
  EXPECT_THAT(e.job()->function, HasSubstr("{lambda(int)#1}"));
  EXPECT_THAT(e.job()->function, Not(HasSubstr("decoder")));
}

TEST(PostMortem, ACrashTellsItsStackAndItsAddress) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(call_fault, std::uint64_t{0x18}));
  EXPECT_EQ(e.code(), pp::errc::worker_crashed);
  EXPECT_THAT(e.job()->function, HasSubstr("call_fault(unsigned long)"));
  EXPECT_EQ(e.signal(), SIGSEGV);
  EXPECT_THAT(e.message(), HasSubstr("at address 0x18"));
  ASSERT_GE(e.job()->stack.size(), 2U) << e.report();
  EXPECT_THAT(e.job()->stack[0], HasSubstr("pp::test::fault_at(int*) + 0x"));
  EXPECT_THAT(e.job()->stack[1], HasSubstr("pp::test::call_fault(unsigned long) + 0x"));
  EXPECT_THAT(e.job()->stack, Not(Contains(HasSubstr("runner")))) << "what is ours is left out";
  EXPECT_THAT(e.report(), HasSubstr("#0  pp::test::fault_at(int*) + 0x"));
}

TEST(PostMortem, ACallToNowhereTellsWhoCalled) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto call = [](std::uint64_t address) {
    const auto f = reinterpret_cast<int (*)()>(address);
    return f() + 1;
  };
  const auto e = failure_of(client.submit(call, std::uint64_t{0}));
  EXPECT_EQ(e.signal(), SIGSEGV);
  ASSERT_GE(e.job()->stack.size(), 2U) << e.report();
  EXPECT_EQ(e.job()->stack[0], "(outside of the program)");
  EXPECT_THAT(e.job()->stack[1], HasSubstr("{lambda(unsigned long)#1}"));
}

TEST(PostMortem, AStackOverflowIsASegmentationFaultWithAStack) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(overflow_stack));
  EXPECT_EQ(e.code(), pp::errc::worker_crashed);
  if (is_sanitized) return;  // it may end in code of theirs
  EXPECT_EQ(e.signal(), SIGSEGV);
  ASSERT_FALSE(e.job()->stack.empty()) << e.report();
  EXPECT_THAT(e.job()->stack[0], HasSubstr("descend"));
  EXPECT_LE(e.job()->stack.size(), 64U);
}

TEST(PostMortem, AnExceptionThatNobodyMayCatchIsNamed) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(call_noexcept, std::string("boom")));
  EXPECT_EQ(e.code(), pp::errc::worker_crashed);
  EXPECT_EQ(e.signal(), SIGABRT);
  EXPECT_EQ(e.type(), "std::runtime_error");
  EXPECT_THAT(e.message(), HasSubstr("terminate called: std::runtime_error: boom"));
}

int die_in_a_thread() {
  std::thread([] { throw std::out_of_range("far away"); }).join();
  return 1;
}

TEST(PostMortem, AnExceptionThatLeavesAThreadIsNamed) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(die_in_a_thread));
  EXPECT_EQ(e.signal(), SIGABRT);
  EXPECT_EQ(e.type(), "std::out_of_range");
  EXPECT_THAT(e.message(), HasSubstr("terminate called: std::out_of_range: far away"));
}

[[noreturn]] void leave_with(int) { _exit(42); }
int crash_with_handler() {
  std::signal(SIGSEGV, leave_with);
  return call_fault(8);
}

TEST(PostMortem, AHandlerOfTheJobItselfStays) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(crash_with_handler));
  EXPECT_EQ(e.signal(), 0);
  EXPECT_EQ(e.exit_code(), 42);
  EXPECT_THAT(e.job()->stack, IsEmpty());
}

TEST(PostMortem, ALocalWorkerTellsAsMuch) {
  const cluster c;
  auto options = one_attempt(c);
  options.local = 1;
  options.discovery = false;
  pp::client client(options);
  const auto e = failure_of(client.submit(call_fault, std::uint64_t{0x20}));
  EXPECT_EQ(e.signal(), SIGSEGV);
  EXPECT_EQ(e.node(), "local");
  ASSERT_FALSE(e.job()->stack.empty()) << e.report();
  EXPECT_THAT(e.job()->stack[0], HasSubstr("pp::test::fault_at(int*) + 0x"));
}

class CrashSignal : public ::testing::TestWithParam<int> {};

int send_itself(int signal) {
  kill(getpid(), signal);
  return signal;
}

TEST_P(CrashSignal, IsWhatTheWorkerDiesOf) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  EXPECT_EQ(client.submit(send_itself, 0).get(), 0) << "SIGILL of a first job means an unfit processor";
  const auto e = failure_of(client.submit(send_itself, GetParam()));
  EXPECT_EQ(e.code(), pp::errc::worker_crashed);
  EXPECT_EQ(e.signal(), GetParam());
}

std::string name_of(const ::testing::TestParamInfo<int>& signal) { return sigabbrev_np(signal.param); }
INSTANTIATE_TEST_SUITE_P(All, CrashSignal, ::testing::Values(SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS),
                         name_of);

int crash_a_child() {
  const pid_t child = fork();
  if (child == 0) call_fault(8);
  return child;
}
int wait_and_leave() {
  crash_a_child();
  raise(SIGKILL);
  return 0;
}

TEST(PostMortem, ACrashOfAForkedChildIsNotTheJobs) {
  const cluster c;
  const auto n = c.start_node("node-a", 1);
  pp::client client(one_attempt(c));
  const auto e = failure_of(client.submit(wait_and_leave));
  EXPECT_EQ(e.signal(), SIGKILL);
  EXPECT_THAT(e.job()->stack, IsEmpty());
}

}  // namespace
}  // namespace pp::test
