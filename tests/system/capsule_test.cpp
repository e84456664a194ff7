// Jobs that failed, saved as capsules and run again.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

int crash_by(int signal, const std::string& words) {
  std::fprintf(stderr, "replayed with %s\n", words.c_str());
  kill(getpid(), signal);
  return signal;
}
std::string give_back(const std::string& text) {
  if (std::getenv("CAPSULE_MAY_RETURN") == nullptr) throw std::runtime_error("not yet");
  return text;
}
int throw_nested(int n) {
  try {
    throw std::invalid_argument("inner " + std::to_string(n));
  } catch (...) {
    std::throw_with_nested(std::runtime_error("outer"));
  }
}

/// A cluster whose failed jobs are saved.
class Capsule : public ::testing::Test {
 protected:
  Capsule() { std::filesystem::create_directory(directory()); }

  std::filesystem::path directory() const { return cluster_.directory() / "capsules"; }
  pp::options options() const {
    auto o = cluster_.client_options();
    o.attempts = 1;
    o.capsule_dir = directory().string();
    return o;
  }
  /// Of a job that must fail.
  template <class F, class... Args>
  pp::job_report failed(F f, Args... args) {
    const auto node = cluster_.start_node("node-a", 1);
    pp::client client(options());
    try {
      client.submit(f, args...).get();
    } catch (const pp::job_error& e) {
      return *e.job();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }
  finished_process replay(std::vector<std::string> arguments,
                          const std::map<std::string, std::string>& environment = {}) {
    arguments.insert(arguments.begin(), {PP_CLIENT_PROGRAM, "replay"});
    auto command = cluster_.command(std::move(arguments));
    for (const auto& [name, value] : environment) command.environment[name] = value;
    return run_program(command);
  }

  cluster cluster_;
};

TEST_F(Capsule, ACrashedJobIsSavedForItsOwnerOnly) {
  const auto report = failed(crash_by, SIGSEGV, std::string("arguments"));
  EXPECT_THAT(report.capsule, EndsWith("-" + report.id + ".ppcapsule"));
  EXPECT_THAT(report.capsule, HasSubstr("crash_by-int"));
  struct stat about {};
  ASSERT_EQ(stat(report.capsule.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0600U);
  std::string line;
  std::getline(std::ifstream(report.capsule), line);
  const auto header = nlohmann::json::parse(line);
  EXPECT_EQ(header["ppcapsule"], 1);
  EXPECT_EQ(header["failure"]["job"]["signal"], SIGSEGV);
  EXPECT_EQ(header["failure"]["job"]["capsule"], report.capsule);
}

TEST_F(Capsule, ReplayOfACrashDiesOfTheSameSignal) {
  const auto report = failed(crash_by, SIGFPE, std::string("these words"));
  const auto ran = replay({report.capsule});
  EXPECT_EQ(ran.end.signal, SIGFPE) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("replayed with these words"));
}

TEST_F(Capsule, ReplayOfAThrownExceptionPrintsIt) {
  const auto report = failed(throw_nested, 5);
  const auto ran = replay({report.capsule});
  EXPECT_EQ(ran.end, (exit_state{1, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("threw std::runtime_error: outer\n  caused by std::invalid_argument: inner 5\n"));
}

TEST_F(Capsule, ReplayOfAJobThatReturnsSaysHowMuch) {
  const auto report = failed(give_back, std::string(1000, 'x'));
  const auto ran = replay({report.capsule}, {{"CAPSULE_MAY_RETURN", "1"}});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("returned 10[0-9][0-9] bytes"));
}

TEST_F(Capsule, LargeArgumentsAreSavedToo) {
  const auto report = failed(give_back, std::string(3'000'000, 'x'));
  EXPECT_GT(std::filesystem::file_size(report.capsule), 3'000'000U);
  const auto ran = replay({report.capsule}, {{"CAPSULE_MAY_RETURN", "1"}});
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("returned 30000[0-9][0-9] bytes")) << ran.err;
}

TEST_F(Capsule, ShowPrintsTheReportAndRunsNothing) {
  const auto report = failed(crash_by, SIGABRT, std::string("x"));
  const auto shown = replay({report.capsule, "--show"});
  EXPECT_EQ(shown.end, (exit_state{0, 0})) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("the worker died while running the job (signal 6 SIGABRT, 1 attempt)"));
  EXPECT_THAT(shown.out, HasSubstr("  job         " + report.id));
  EXPECT_THAT(shown.err, ::testing::Not(HasSubstr("replayed with")));
}

TEST_F(Capsule, AProgramThatWasChangedIsRefused) {
  const auto report = failed(throw_nested, 1);
  const auto ran = replay({report.capsule, "--program", PP_HELLO_PROGRAM});
  EXPECT_EQ(ran.end, (exit_state{69, 0}));
  EXPECT_THAT(ran.err, HasSubstr("was changed since the job was saved: give the one that the job was saved by with "
                                 "--program PATH"));
}

TEST_F(Capsule, ACopyOfTheProgramWillDo) {
  const auto report = failed(throw_nested, 1);
  const auto copy = cluster_.directory() / "copy";
  std::filesystem::copy_file("/proc/self/exe", copy);
  const auto ran = replay({report.capsule, "--program", copy.string()});
  EXPECT_EQ(ran.end, (exit_state{1, 0})) << ran.err;
  const auto gone = replay({report.capsule, "--program", (cluster_.directory() / "gone").string()});
  EXPECT_EQ(gone.end, (exit_state{69, 0}));
  EXPECT_THAT(gone.err, HasSubstr("there is no program at"));
}

TEST_F(Capsule, AnotherProgramRefusesItItself) {
  const auto report = failed(throw_nested, 1);
  auto command = cluster_.command({PP_HELLO_PROGRAM});
  command.environment["PP_REPLAY"] = report.capsule;
  const auto ran = run_program(command);
  EXPECT_EQ(ran.end, (exit_state{69, 0}));
  EXPECT_THAT(ran.err, HasSubstr("this is not the program that " + report.capsule + " was saved by"));
}

TEST_F(Capsule, AFileThatIsCutShortIsRefused) {
  const auto report = failed(throw_nested, 1);
  std::filesystem::resize_file(report.capsule, std::filesystem::file_size(report.capsule) - 1);
  const auto ran = replay({report.capsule});
  EXPECT_EQ(ran.end, (exit_state{65, 0}));
  EXPECT_THAT(ran.err, HasSubstr("is cut short"));
}

TEST_F(Capsule, WithoutGdbReplayUnderItSaysSo) {
  const auto report = failed(throw_nested, 1);
  const auto ran = replay({report.capsule, "--gdb"}, {{"PATH", cluster_.directory().string()}});
  EXPECT_EQ(ran.end, (exit_state{69, 0}));
  EXPECT_THAT(ran.err, HasSubstr("gdb is not installed"));
}

TEST_F(Capsule, GdbIsStartedOnTheProgram) {
  const auto report = failed(throw_nested, 1);
  const auto tools = cluster_.directory() / "tools";
  std::filesystem::create_directory(tools);
  std::ofstream(tools / "gdb") << "#!/bin/sh\necho \"gdb $1 with $PP_REPLAY\"\nexec \"$2\"\n";
  std::filesystem::permissions(tools / "gdb", std::filesystem::perms::owner_all);
  const auto ran = replay({report.capsule, "--gdb"}, {{"PATH", tools.string() + ":/usr/bin:/bin"}});
  EXPECT_EQ(ran.end, (exit_state{1, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("gdb --args with " + report.capsule));
  EXPECT_THAT(ran.out, HasSubstr("threw std::runtime_error"));
}

TEST_F(Capsule, ADirectoryThatIsMissingChangesNothingOfTheError) {
  std::filesystem::remove(directory());
  const auto report = failed(throw_nested, 1);
  EXPECT_EQ(report.message, "outer");
  EXPECT_EQ(report.capsule, "");
}

TEST_F(Capsule, NothingIsSavedUnlessAskedFor) {
  const auto node = cluster_.start_node("node-a", 1);
  pp::client client(cluster_.client_options());
  EXPECT_THROW(client.submit(throw_nested, 1).get(), pp::job_error);
  EXPECT_TRUE(std::filesystem::is_empty(directory()));
}

}  // namespace
}  // namespace pp::test
