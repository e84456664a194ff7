// Cgroups on a tree of plain files, and what counts as a kill for want of memory.
#include "worker/cgroup.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "tests/support/temporary_directory.hpp"
#include "worker/oom.hpp"

namespace pp::worker {
namespace {

namespace fs = std::filesystem;

/// A hierarchy of plain files.
class Cgroup : public ::testing::Test {
 protected:
  Cgroup() {
    fs::create_directories(directory_ / "proc/self");
    fs::create_directories(own());
    write("proc/self/cgroup", "4:memory:/x\n0::/slice/own\n");
    write("proc/self/mountinfo",
          "30 20 0:26 / /cg rw - tmpfs t rw\n31 20 0:27 / /cg/v2 rw,x shared:4 - cgroup2 c rw\n");
    write("cg/v2/slice/own/cgroup.procs", "");
  }
  void write(const std::string& name, const std::string& text) { test::write_file(directory_ / name, text); }
  fs::path own() const { return directory_ / "cg/v2/slice/own"; }
  std::shared_ptr<cgroups> make() { return cgroups::make("b007", status_, directory_.path()); }

  test::temporary_directory directory_;
  std::string status_;
};

TEST_F(Cgroup, LiesBelowTheNodesOwnAndGoesWithIt) {
  {
    const auto all = make();
    ASSERT_TRUE(all) << status_;
    EXPECT_EQ(fs::path(all->path()), own() / "pp-b007");
    EXPECT_NE(status_.find("no controller is delegated"), std::string::npos) << status_;
  }
  EXPECT_FALSE(fs::exists(own() / "pp-b007"));
}

TEST_F(Cgroup, SaysThatThereIsNone) {
  write("proc/self/cgroup", "4:memory:/x\n");
  EXPECT_FALSE(make());
  EXPECT_EQ(status_, "this machine has no cgroup v2");
}

TEST_F(Cgroup, SaysThatItMayNot) {
  fs::remove(own() / "cgroup.procs");
  EXPECT_FALSE(make());
  EXPECT_NE(status_.find("Delegate=yes"), std::string::npos) << status_;
}

TEST_F(Cgroup, SweepsDeadNodesAndSparesLivingOnes) {
  const auto living = make();
  fs::create_directories(own() / "pp-dead" / "1");
  fs::create_directories(own() / "pp-data");
  std::string status;
  const auto next = cgroups::make("feed", status, directory_.path());
  ASSERT_TRUE(next) << status;
  EXPECT_FALSE(fs::exists(own() / "pp-dead"));
  EXPECT_TRUE(fs::exists(living->path()));
  EXPECT_TRUE(fs::exists(own() / "pp-data")) << "somebody else's";
}

TEST(Oom, ReadsCountersByTheirWholeName) {
  EXPECT_EQ(counter_in("oom_kill_x 9\noom 1\noom_kill 3\n", "oom_kill"), 3U);
  EXPECT_EQ(counter_in("oom_kill three\n", "oom_kill"), std::nullopt);
  EXPECT_EQ(counter_in("", "oom_kill"), std::nullopt);
}

TEST(Oom, IsASigkillThatNobodySentWhileTheCounterMoved) {
  const oom_sample before{5, std::nullopt}, after{6, std::nullopt};
  EXPECT_TRUE(was_oom_kill(SIGKILL, false, before, after));
  EXPECT_FALSE(was_oom_kill(SIGKILL, true, before, after));
  EXPECT_FALSE(was_oom_kill(SIGSEGV, false, before, after));
  EXPECT_FALSE(was_oom_kill(SIGKILL, false, before, before));
  EXPECT_FALSE(was_oom_kill(SIGKILL, false, {}, {}));
}

TEST(Oom, ItsCgroupKnowsBetterThanTheMachine) {
  EXPECT_FALSE(was_oom_kill(SIGKILL, false, {5, 0}, {6, 0}));
  EXPECT_TRUE(was_oom_kill(SIGKILL, false, {5, 0}, {6, 1}));
}

}  // namespace
}  // namespace pp::worker
