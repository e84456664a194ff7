// Who descends from whom, read from a directory that looks like /proc.
#include "worker/process_tree.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/temporary_directory.hpp"

namespace pp::worker {
namespace {

using test::write_file;

/// A /proc with a few processes.
class fake_proc {
 public:
  void add(pid_t pid, pid_t parent, const std::string& environment = "", const std::string& cwd = "/") {
    const auto here = directory_ / std::to_string(pid);
    std::filesystem::create_directories(here / "task" / std::to_string(pid));
    write_file(here / "stat", stat_line(pid, parent));
    write_file(here / "environ", environment);
    std::filesystem::create_symlink(cwd, here / "cwd");
  }
  void list_children(pid_t pid, const std::string& children) {
    write_file(directory_ / std::to_string(pid) / "task" / std::to_string(pid) / "children", children);
  }
  static std::string stat_line(pid_t pid, pid_t parent) {
    return std::to_string(pid) + " (a) b (c)) S " + std::to_string(parent) +
           " 1 1 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 " + std::to_string(pid * 100) + " 1 2\n";
  }
  process_tree tree() const { return process_tree(directory_.path()); }

 private:
  test::temporary_directory directory_;
};

std::vector<pid_t> pids_of(const std::vector<process_name>& names) {
  std::vector<pid_t> pids;
  for (const auto& name : names) pids.push_back(name.pid);
  std::sort(pids.begin(), pids.end());
  return pids;
}

TEST(ProcessTree, ReadsALineWhoseNameHasBracketsAndBlanks) {
  const auto seen = parse_stat(fake_proc::stat_line(7, 3));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->name, (process_name{7, 700}));
  EXPECT_EQ(seen->parent, 3);
  EXPECT_EQ(seen->state, 'S');
}

TEST(ProcessTree, RefusesLinesThatMakeNoSense) {
  for (const char* text : {"", "7", "7 (x)", "7 (x) S", "x (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"})
    EXPECT_FALSE(parse_stat(text)) << text;
}

TEST(ProcessTree, FindsDescendantsInTheKernelsLists) {
  fake_proc proc;
  for (const pid_t pid : {10, 11, 12, 13}) proc.add(pid, 1);
  proc.list_children(10, "11 12 ");
  proc.list_children(11, "");
  proc.list_children(12, "13 ");
  proc.list_children(13, "");
  EXPECT_EQ(pids_of(proc.tree().descendants_of(10)), (std::vector<pid_t>{11, 12, 13}));
}

TEST(ProcessTree, FindsThemWithoutListsToo) {
  fake_proc proc;
  proc.add(10, 1);
  proc.add(11, 10);
  proc.add(12, 11);
  proc.add(13, 1);
  EXPECT_EQ(pids_of(proc.tree().descendants_of(10)), (std::vector<pid_t>{11, 12}));
}

TEST(ProcessTree, AMarkCoversWhatLiesBelowItAndNothingThatOnlyBeginsLikeIt) {
  fake_proc proc;
  const std::string nul(1, '\0');
  proc.add(10, 1, "A=1" + nul + "M=/d/1" + nul);
  proc.add(11, 1, "M=/d/1/local:2" + nul);
  proc.add(12, 1, "M=/d/12" + nul + "XM=/d/1" + nul);
  proc.add(13, 1, "", "/d/1/sub (deleted)");
  proc.add(14, 1, "", "/d/12");
  EXPECT_EQ(pids_of(proc.tree().marked("M", "/d/1", "")), (std::vector<pid_t>{10, 11}));
  EXPECT_EQ(pids_of(proc.tree().marked("M", "/d/1", "/d/1")), (std::vector<pid_t>{10, 11, 13}));
}

TEST(ProcessTree, SparesItselfAndItsAncestors) {
  fake_proc proc;
  proc.add(::getpid(), 90, "M=x");
  proc.add(90, 1, "M=x");
  proc.add(91, 1, "M=x");
  EXPECT_EQ(pids_of(proc.tree().marked("M", "x", "")), std::vector<pid_t>{91});
}

}  // namespace
}  // namespace pp::worker
