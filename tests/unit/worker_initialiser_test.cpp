// options::worker_init inside a worker: once before the first job that names it, again if it threw.
#include <stdexcept>

#include "tests/unit/worker_runner_lab.hpp"

namespace pp::worker {
namespace {

using Initialiser = Runner;

int times_initialised = 0;
int count_initialised() { return times_initialised; }

TEST_F(Initialiser, RunsAnInitialiserOnceBeforeTheFirstJobThatNamesIt) {
  times_initialised = 0;
  open();
  submit(count_initialised);
  for (int i = 0; i < 3; ++i) submit_with([] { ++times_initialised; }, count_initialised);
  submit_with([] { times_initialised += 10; }, count_initialised);
  EXPECT_EQ(receive().value<int>(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(receive().value<int>(), 1);
  EXPECT_EQ(receive().value<int>(), 11);
}

TEST_F(Initialiser, AnInitialiserThatThrowsFailsItsJobAndIsTriedByTheNext) {
  times_initialised = 0;
  open();
  const auto first_fails = +[] {
    if (++times_initialised == 1) throw std::runtime_error("no licence");
  };
  for (int i = 0; i < 3; ++i) submit_with(first_fails, count_initialised);
  const answer failed = receive();
  EXPECT_EQ(failed.parts().head.code, static_cast<std::uint16_t>(errc::job_threw));
  EXPECT_EQ(failed.failure().type, "std::runtime_error");
  EXPECT_EQ(failed.failure().what, "options::worker_init threw: no licence");
  EXPECT_EQ(receive().value<int>(), 2);
  EXPECT_EQ(receive().value<int>(), 2);
}

TEST_F(Initialiser, RefusesAnInitialiserThatLiesNowhere) {
  open();
  submit_with(nullptr, count_initialised);
  EXPECT_EQ(receive().parts().head.code, static_cast<std::uint16_t>(errc::bad_message));
}

}  // namespace
}  // namespace pp::worker
