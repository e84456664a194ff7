// The examples, each run as its README says, and what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

/// The arguments behind the program's.
std::vector<std::string> example(const std::string& name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::string(PP_EXAMPLES) + "/" + name + "/" + name);
  return arguments;
}

/// On two workers of this machine, or on a node, as most people will meet them.
class Examples : public ::testing::Test {
 protected:
  finished_process run_locally(const std::string& name, std::vector<std::string> arguments = {}) {
    c.set("PP_LOCAL_WORKERS", "2");
    c.set("PP_DISCOVERY", "off");
    return run_program(c.command(example(name, std::move(arguments))));
  }
  finished_process run_on_node(const std::string& name, std::vector<std::string> arguments = {}) {
    c.set("PP_LOCAL_WORKERS", "0");
    return run_program(c.command(example(name, std::move(arguments))));
  }

  cluster c;
};

TEST_F(Examples, ReverseMd5FindsTheNumber) {
  const auto n = c.start_node("node-a");
  const auto ran = run_on_node("reverse_md5", {"18291", "40000", "32"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  // md5sum says the same of 18291.
  EXPECT_EQ(ran.out,
            "hash = 7d62228d788292ee693d12fd549e7745\nReverse md5 for 7d62228d788292ee693d12fd549e7745 is 18291\n");
}

TEST_F(Examples, ReverseMd5SaysWhenThereIsNone) {
  const auto ran = run_locally("reverse_md5", {"40001", "1000", "8"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("has not been found"));
}

TEST_F(Examples, CallbackAddsUpWhatComesIn) {
  const auto n = c.start_node("node-a");
  const auto ran = run_on_node("callback", {"1000000", "50"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("sum of 1000000 terms: 0.69314668"));  // ln 2 - 1 / 2000000
  EXPECT_THAT(ran.out, AllOf(HasSubstr("job count"), HasSubstr("node-a")));
}

TEST_F(Examples, AsyncFunctionsGivesOrderedResultsAndOneError) {
  const auto n = c.start_node("node-a");
  const auto ran = run_on_node("async_functions");
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_EQ(ran.out,
            "map: 0 1 4 9 16 25 36 49 64 81\n"
            "filter: 1 3 5 7 9\n"
            "reduce: 45\n"
            "parallel: Hello, Node, 3.5\n"
            "error: the disk is full\n");
}

TEST_F(Examples, AutoDiffSendsObjectsWithOperatorsBothWays) {
  const auto n = c.start_node("node-a");
  const auto ran = run_on_node("auto_diff", {"4"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  // The sum is 1 / (1 - x/2)² but for what 200 terms leave out: at 1 it is 4 / 2 with the derivative 8 / 2 - 4 · 2 / 4.
  EXPECT_EQ(ran.out,
            "t = 0   x = 1   x' = 1\n"
            "t = 0.5   x = 1.422222222   x' = 0.7585185185\n"
            "t = 1   x = 2   x' = 2\n"
            "t = 1.5   x = 4.923076923   x' = 15.14792899\n");
}

TEST_F(Examples, DynamicWorkersGetsTheSameFromEveryNumber) {
  const auto ran = run_locally("dynamic_workers", {"8", "100000", "4"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  for (const char* workers : {"1", "2", "4"})
    EXPECT_THAT(ran.out, HasSubstr(std::string(workers) + " workers: pi = 3.14159,"));
}

TEST_F(Examples, NamedProcessesAreFourAndGoneAtTheEnd) {
  const auto first = run_locally("named_processes"), second = run_locally("named_processes");
  EXPECT_EQ(first.end, (exit_state{0, 0})) << first.out << first.err;
  for (const char* line : {"alpha in process [0-9]+: 0.424651", "beta in process [0-9]+: 0.91279",
                           "gamma in process [0-9]+: 0.798837", "delta in process [0-9]+: 0.0300819"}) {
    EXPECT_THAT(first.out, ContainsRegex(line));
    EXPECT_THAT(second.out, ContainsRegex(line)) << "the same in every run";
  }
  EXPECT_THAT(first.out, HasSubstr("4 processes, 0 left"));
}

TEST_F(Examples, FourCallsRunAtOnceInFourProcesses) {
  const auto n = c.start_node("node-a", 4);
  const auto ran = run_on_node("four_calls", {"0.5"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("done in process [0-9]+ on node-a"));
  EXPECT_THAT(ran.out, HasSubstr("4 calls of 0.5 s took"));
}

TEST_F(Examples, SkewedJobsAllRunOnTheNodeThatIsNamed) {
  const auto n = c.start_node("node-a", 2);
  const auto ran = run_on_node("skewed_jobs", {"2", "node-a"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("17 jobs, 200 ms of work, took "));
  EXPECT_THAT(ran.out, HasSubstr("the best possible is 100 ms"));
}

TEST_F(Examples, LateNodeTakesItsShareWithoutBeingConfigured) {
  const auto a = c.start_node("node-a", 1);
  c.set("PP_LOCAL_WORKERS", "0");
  child_process clients(c.command(example("late_node", {"1000"})));
  ASSERT_TRUE(wait_until([&] { return clients.out().find("node-a: ") != std::string::npos; })) << clients.err();
  const auto b = c.start_node("node-b", 1);
  EXPECT_TRUE(wait_until([&] { return clients.out().find("node-b: ") != std::string::npos; })) << clients.err();
}

TEST_F(Examples, RiccatiSolutionsFulfilTheirEquations) {
  const auto n = c.start_node("node-a");
  const auto ran = run_on_node("riccati", {"100", "1"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.out << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("100 systems of 4 states: worst residual [0-9.]+e-1[2-6]"));
  EXPECT_THAT(ran.out, ContainsRegex("200 states: residual [0-9.]+e-1[2-6] after"));
}

TEST_F(Examples, MandelbrotWritesAPicture) {
  const auto n = c.start_node("node-a");
  const auto file = c.directory() / "m.png";
  const auto ran = run_on_node("mandelbrot", {file.string(), "150"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("150 x 100 pixels, "), HasSubstr("node node-a: ")));
  EXPECT_EQ(read_file(file).substr(1, 3), "PNG");
}

TEST_F(Examples, MandelbrotSaysWhyItCannotWrite) {
  const auto ran = run_locally("mandelbrot", {"/nowhere/m.png", "30"});
  EXPECT_EQ(ran.end, (exit_state{1, 0}));
  EXPECT_THAT(ran.err, AllOf(HasSubstr("/nowhere/m.png cannot be written"), HasSubstr("No such file")));
}

TEST_F(Examples, WorkerPoolIsCompleteAgainAfterEveryKill) {
  const auto ran = run_locally("worker_pool", {"3"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("pool of 3\n"), HasSubstr("none of 3 workers became free within 100 ms"),
                             HasSubstr("call number 4 in the same process"), HasSubstr("signal 9 SIGKILL"),
                             HasSubstr("the call behind it: failed too, and ran nowhere else"),
                             HasSubstr("pool of 3 after a checked-out worker was killed"),
                             HasSubstr("pool of 3 after an idle worker was killed")));
}

}  // namespace
}  // namespace pp::test
