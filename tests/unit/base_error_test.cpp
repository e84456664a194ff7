#include "pp/error.hpp"

#include <gtest/gtest.h>

namespace pp {
namespace {

TEST(Errc, IsGroupedByWhatToDo) {
  EXPECT_TRUE(make_error_code(errc::disconnected) == condition::retryable);
  EXPECT_TRUE(make_error_code(errc::no_nodes) == condition::retryable);
  EXPECT_TRUE(make_error_code(errc::job_threw) == condition::job_failed);
  EXPECT_TRUE(make_error_code(errc::cancelled) == condition::job_failed);
  EXPECT_TRUE(make_error_code(errc::outcome_unknown) == condition::undecided);
  EXPECT_TRUE(make_error_code(errc::refused) == condition::setup_problem);
  EXPECT_TRUE(make_error_code(errc::not_shippable) == condition::setup_problem);
  EXPECT_FALSE(make_error_code(errc::refused) == condition::retryable);
  EXPECT_FALSE(std::make_error_code(std::errc::interrupted) == condition::retryable) << "another category's number 4";
}

TEST(Errc, EveryCodeHasWords) {
  for (const auto e : {errc::disconnected, errc::overloaded, errc::shutting_down, errc::no_nodes, errc::job_threw,
                       errc::worker_crashed, errc::timed_out, errc::memory_limit, errc::cancelled,
                       errc::outcome_unknown, errc::refused, errc::version_mismatch, errc::unfit_node,
                       errc::bad_message, errc::closed, errc::not_initialised, errc::bad_option, errc::not_shippable}) {
    EXPECT_NE(make_error_code(e).message(), "an unknown error") << static_cast<int>(e);
  }
}

TEST(Error, SaysItsLineAndNothingElse) {
  const error e(errc::bad_option, "options.nodes: give host:port");
  EXPECT_STREQ(e.what(), "options.nodes: give host:port");
  EXPECT_EQ(e.code(), errc::bad_option);
}

TEST(JobError, NamesTypeTextNodeAndStderr) {
  job_report about;
  about.type = "std::runtime_error";
  about.message = "no luck";
  about.node = "node-a";
  about.stderr_tail = "last words";
  const job_error e(errc::job_threw, about);
  EXPECT_STREQ(e.what(), "the job threw std::runtime_error: no luck [node node-a]; stderr ends: last words");
}

TEST(JobError, NamesTheSignalAndTheAttempts) {
  job_report d;
  d.signal = 11;
  d.starts = 3;
  const job_error e(errc::worker_crashed, d);
  EXPECT_STREQ(e.what(), "the worker died while running the job (signal 11 SIGSEGV, 3 attempts)");
}

TEST(JobError, NamesTheItemsOfAMapItIsAbout) {
  job_report d;
  d.exit_code = 3;
  d.items = "one of items 7 to 9";
  const job_error e(errc::worker_crashed, d);
  EXPECT_STREQ(
      e.what(),
      "one of items 7 to 9 (counted from 0): the worker died while running the job (exit status 3, 1 attempt)");
  EXPECT_EQ(e.items(), "one of items 7 to 9");
}

}  // namespace
}  // namespace pp
