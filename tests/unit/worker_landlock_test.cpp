#include "worker/landlock.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/temporary_directory.hpp"

namespace pp::worker {
namespace {

using paths = std::vector<std::string>;

/// A file system in a table: what is not in it is a file, or empty.
paths read_fake(const std::string& path) {
  static const std::map<std::string, paths> tree = {
      {"/", {"etc", "home", "proc", "usr"}}, {"/etc", {"passwd", "pp"}},
      {"/home", {"anna", "bert"}},           {"/home/anna", {".cache", ".config", "data", "notes"}},
      {"/home/anna/.config", {"pp", "pp2"}}, {"/home/anna/.cache", {"pp", "web"}}};
  const auto found = tree.find(path);
  return found == tree.end() ? paths{} : found->second;
}

TEST(AllBut, IsTheRootItselfWhereNothingIsSpared) { EXPECT_EQ(all_but("/", {}, read_fake), (paths{"/"})); }

TEST(AllBut, ListsWhatLiesBesideTheWayToASparedPath) {
  EXPECT_EQ(all_but("/", {"/home/anna/.config/pp"}, read_fake),
            (paths{"/etc", "/home/anna/.cache", "/home/anna/.config/pp2", "/home/anna/data", "/home/anna/notes",
                   "/home/bert", "/proc", "/usr"}));
}

TEST(AllBut, SparesSeveralPathsAndWhatIsBelowThem) {
  EXPECT_EQ(all_but("/", {"/home/anna", "/home/anna/.config/pp", "/etc/pp"}, read_fake),
            (paths{"/etc/passwd", "/home/bert", "/proc", "/usr"}));
}

TEST(AllBut, LeavesOutARootThatIsSparedItself) {
  EXPECT_EQ(all_but("/etc", {"/etc"}, read_fake), paths{});
  EXPECT_EQ(all_but("/etc/pp", {"/etc"}, read_fake), paths{});
  EXPECT_EQ(all_but("/usr", {"/etc/pp"}, read_fake), (paths{"/usr"}));
}

TEST(AllBut, TakesAMissingPathForOneThatMayComeLater) {
  EXPECT_EQ(all_but("/home", {"/home/bert/.config/pp"}, read_fake), (paths{"/home/anna"}));
}

TEST(AllBut, DoesNotTakeALongerNameForAPathBelow) {
  EXPECT_EQ(all_but("/home/anna/.config", {"/home/anna/.config/pp"}, read_fake), (paths{"/home/anna/.config/pp2"}));
}

TEST(NamesBelow, LeaveOutLinksWhichWouldLeadElsewhere) {
  const test::temporary_directory directory;
  std::ofstream(directory / "file") << "x";
  std::filesystem::create_symlink("/", directory / "link");
  EXPECT_EQ(names_below(directory.path().string()), (paths{"file"}));
  EXPECT_EQ(names_below((directory / "missing").string()), paths{});
}

TEST(LandlockRuleset, IsMadeWhereTheKernelHasItAndSkipsWhatIsMissing) {
  if (landlock_abi() == 0) {
    EXPECT_THROW(landlock_ruleset({landlock_right::everything}), std::system_error);
    return;
  }
  landlock_ruleset rules({landlock_right::everything, true, true, true});
  rules.allow("/nonexistent/path", landlock_right::run);
  rules.allow("/etc/passwd", landlock_right::everything);  // a file has fewer rights than a directory
  rules.allow("/usr", landlock_right::run);
  EXPECT_TRUE(rules.take());
}

}  // namespace
}  // namespace pp::worker
