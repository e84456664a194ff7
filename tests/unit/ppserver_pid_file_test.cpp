#include "ppserver/pid_file.hpp"

#include <unistd.h>

#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::ppserver {
namespace {

TEST(PidFile, HoldsOurNumberAndGoesWithItsOwner) {
  const test::temporary_directory directory;
  const auto path = directory / "pid";
  {
    const pid_file file(path.string());
    EXPECT_EQ(test::read_file(path), std::to_string(getpid()) + "\n");
    EXPECT_EQ(test::files_below(directory.path()).size(), 1U);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(PidFile, ReplacesWhatADeadOrUnrelatedProcessLeft) {
  const test::temporary_directory directory;
  const auto path = directory / "pid";
  for (const char* old : {"999999999\n", "1\n", "nonsense", ""}) {
    test::write_file(path, old);
    EXPECT_NO_THROW(pid_file(path.string())) << old;
  }
}

TEST(PidFile, LeavesAloneWhatBelongsToAnotherByNow) {
  const test::temporary_directory directory;
  const auto path = directory / "pid";
  {
    const pid_file file(path.string());
    test::write_file(path, "12345\n");
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(PidFile, SaysWhatToDoWhenItCannotBeWritten) {
  try {
    const pid_file file("/nonexistent/directory/pid");
    FAIL() << "was written";
  } catch (const error& e) {
    EXPECT_NE(std::string(e.what()).find("-P"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace pp::ppserver
