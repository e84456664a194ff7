// Job directories: what is refused, what is removed, what is left alone.
#include "worker/job_directory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::worker {
namespace {

namespace fs = std::filesystem;
const std::string boot_a(32, 'a'), boot_b(32, 'b');

class JobDirectory : public ::testing::Test {
 protected:
  static removal remove(job_directory& d) {
    auto how = removal::unfinished;
    for (int i = 0; i < 100'000 && how == removal::unfinished; ++i) how = d.remove_some(256);
    return how;
  }
  std::string refusal() const {
    try {
      job_directories(root_, boot_a);
    } catch (const error& e) {
      return e.what();
    }
    return {};
  }

  test::temporary_directory directory_;
  fs::path root_ = directory_ / "jobs";
};

TEST_F(JobDirectory, IsPrivateAndGoneWithItsNode) {
  {
    const auto node = std::make_shared<job_directories>(root_, boot_a);
    job_directory one(node), two(node);
    EXPECT_NE(one.path(), two.path());
    for (const auto& path : {root_, root_ / boot_a, fs::path(one.path())})
      EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all) << path;
    EXPECT_EQ(remove(one), removal::finished);
    EXPECT_FALSE(fs::exists(one.path()));
    EXPECT_TRUE(fs::exists(two.path()));
  }
  EXPECT_EQ(test::files_below(root_), std::vector<std::string>());
}

TEST_F(JobDirectory, RemovalFollowsNoLinkAndOpensWhatWasClosed) {
  const auto node = std::make_shared<job_directories>(root_, boot_a);
  job_directory one(node);
  test::write_file(directory_ / "precious", "kept");
  const fs::path at = one.path();
  fs::create_symlink(directory_.path(), at / "link");
  fs::create_directories(at / "a" / "b" / "c");
  test::write_file(at / "a" / "b" / "file", "x");
  fs::create_symlink(directory_.path(), at / "a" / "b" / "c" / "link");
  for (const auto* inner : {"a/b/c", "a/b", "a"}) fs::permissions(at / inner, fs::perms::none);
  EXPECT_EQ(remove(one), removal::finished);
  EXPECT_FALSE(fs::exists(at));
  EXPECT_EQ(test::read_file(directory_ / "precious"), "kept");
}

TEST_F(JobDirectory, DepthAndNumberCostNothing) {
  const auto node = std::make_shared<job_directories>(root_, boot_a);
  job_directory one(node);
  code::descriptor deep(::openat(one.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 600; ++i) {
    ASSERT_EQ(::mkdirat(deep.get(), "d", 0700), 0);
    ASSERT_EQ(::mkdirat(deep.get(), ".pp-moved-1", 0700), 0);
    deep.reset(::openat(deep.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  EXPECT_EQ(remove(one), removal::finished);
  EXPECT_FALSE(fs::exists(one.path()));
}

TEST_F(JobDirectory, RefusesARootThatIsALinkOrOpenToOthers) {
  fs::create_directory(directory_ / "elsewhere");
  fs::create_symlink(directory_ / "elsewhere", root_);
  EXPECT_NE(refusal().find("symbolic link"), std::string::npos) << refusal();
  fs::remove(root_);
  fs::create_directory(root_);
  fs::permissions(root_, fs::perms::owner_all | fs::perms::others_read);
  EXPECT_NE(refusal().find("chmod 700"), std::string::npos) << refusal();
}

TEST_F(JobDirectory, RefusesARootOfAnotherUser) {
  fs::create_directory(root_);
  fs::permissions(root_, fs::perms::owner_all);
  // Only root can give a directory away; everybody else has one of root's at hand.
  const bool is_given = ::chown(root_.c_str(), 65534, 65534) == 0;
  if (!is_given) root_ = "/usr/lib";
  EXPECT_NE(refusal().find("belongs to another user"), std::string::npos) << refusal();
}

TEST_F(JobDirectory, ADeadNodesAreSweptAndALivingOnesAreNot) {
  const auto living = std::make_shared<job_directories>(root_, boot_a);
  const job_directory kept(living);
  const std::string dead(32, 'd'), unmarked(32, 'e');
  fs::create_directories(root_ / dead / "1" / "rest");
  test::write_file(root_ / (dead + ".node"), "1 1\n");
  fs::create_directories(root_ / unmarked);
  fs::create_directories(root_ / "of somebody");
  const job_directories next(root_, boot_b);
  EXPECT_EQ(next.swept().size(), 2U);
  EXPECT_FALSE(fs::exists(root_ / dead));
  EXPECT_FALSE(fs::exists(root_ / (dead + ".node")));
  EXPECT_FALSE(fs::exists(root_ / unmarked));
  EXPECT_TRUE(fs::exists(root_ / "of somebody"));
  EXPECT_TRUE(fs::exists(kept.path()));
}

}  // namespace
}  // namespace pp::worker
