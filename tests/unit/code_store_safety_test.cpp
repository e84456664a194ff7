// The store among enemies and accidents: damage, links, other users, crashes, full disks (docs/security.md T17 to T19).
#include "code/store.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "code/descriptor.hpp"
#include "code/directory.hpp"
#include "tests/unit/code_store_support.hpp"

namespace pp::code {
namespace {

namespace fs = std::filesystem;
using namespace store_test;
using test::files_below;
using test::read_file;
using test::temporary_directory;
using test::write_file;
using testing::ElementsAre;
using testing::HasSubstr;

void damage(const fs::path& file, const std::string& with) {
  fs::remove(file);
  write_file(file, with, 0400);
}

TEST(StoreDamage, ADamagedProgramIsForgottenAndFetchedAgain) {
  const content program("a program");
  for (const char* now : {"A program", "a progra", "a program.", ""}) {
    for (const bool allow_memfd : {true, false}) {
      temporary_directory dir;
      auto o = options_in(dir);
      o.allow_memfd = allow_memfd;
      store s(o);
      put(s, program);
      damage(file_of(dir, program), now);
      EXPECT_THAT(missing_of(s, {program}), ElementsAre(0)) << now;
      EXPECT_FALSE(s.has(program.hash));
      EXPECT_EQ(s.numbers().damaged, 1U);
      EXPECT_EQ(put(s, program), std::error_code());
      EXPECT_EQ(everything_in(open(s, {program})->program), program.text);
    }
  }
}

TEST(StoreDamage, EveryDamagedModuleIsNamedAtOnce) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program"), one("a library"), two("another one");
  for (const auto& c : {program, one, two}) put(s, c);
  damage(file_of(dir, program), "a Program");
  damage(file_of(dir, two), "another 1");
  EXPECT_THAT(missing_of(s, {program, one, two}), ElementsAre(0, 2));
  EXPECT_TRUE(s.has(one.hash));
  EXPECT_THAT(files_below(dir / "cache/run"), testing::Each(testing::Not(HasSubstr("module"))));
}

TEST(StoreDamage, WhatWasNeverSentIsMissing) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program"), library("a library");
  put(s, program);
  EXPECT_THAT(missing_of(s, {program, library}), ElementsAre(1));
}

TEST(StoreLinks, AnEntryThatIsALinkIsNotFoundAndIsReplaced) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  write_file(dir / "elsewhere", program.text);
  fs::create_symlink(dir / "elsewhere", file_of(dir, program));
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_THAT(missing_of(s, {program}), ElementsAre(0));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_TRUE(s.has(program.hash));
  EXPECT_FALSE(fs::is_symlink(file_of(dir, program)));
  EXPECT_EQ(read_file(dir / "elsewhere"), program.text);
}

TEST(StoreLinks, AnEntryWithASecondNameIsNotFound) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  put(s, program);
  fs::create_hard_link(file_of(dir, program), dir / "second name");
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_TRUE(s.has(program.hash));
}

TEST(StoreLinks, AnEntryThatOthersCanWriteIsNotFound) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  put(s, program);
  fs::permissions(file_of(dir, program), fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(s.has(program.hash));
}

TEST(StoreLinks, AFifoUnderAnEntrysNameHoldsNobodyUp) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  ASSERT_EQ(::mkfifo(file_of(dir, program).c_str(), 0600), 0);
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_THAT(missing_of(s, {program}), ElementsAre(0));
}

std::string refusal_of(const fs::path& directory) {
  store::options o;
  o.directory = directory;
  return words_of([&] { store s(o); });
}

TEST(StoreDirectory, IsMadeForItsUserAlone) {
  temporary_directory dir;
  store::options o;
  o.directory = dir / "new/parents/cache";
  const store s(o);
  for (const char* made : {"new", "new/parents", "new/parents/cache", "new/parents/cache/run"}) {
    struct stat st {};
    ASSERT_EQ(::stat((dir / made).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777U, 0700U) << made;
  }
}

TEST(StoreDirectory, RefusesOneThatIsALink) {
  temporary_directory dir;
  fs::create_directory(dir / "real");
  fs::create_symlink(dir / "real", dir / "cache");
  EXPECT_THAT(refusal_of(dir / "cache"), HasSubstr("is a symbolic link"));
  EXPECT_THAT(refusal_of(dir / "cache/"), HasSubstr("is a symbolic link"));
}

TEST(StoreDirectory, RefusesOneThatOthersCanWrite) {
  temporary_directory dir;
  for (const auto who : {fs::perms::group_write, fs::perms::others_write}) {
    fs::create_directory(dir / "cache");
    fs::permissions(dir / "cache", fs::perms::owner_all | who);
    EXPECT_THAT(refusal_of(dir / "cache"), HasSubstr("can be written by others: run chmod go-w "));
    fs::remove_all(dir / "cache");
  }
}

TEST(StoreDirectory, RefusesOneWhoseParentOthersCanWrite) {
  temporary_directory dir;
  fs::create_directories(dir / "open/cache");
  fs::permissions(dir / "open", fs::perms::all);
  EXPECT_THAT(refusal_of(dir / "open/cache"), HasSubstr("can be written by others"));
  fs::permissions(dir / "open", fs::perms::all | fs::perms::sticky_bit);
  EXPECT_EQ(refusal_of(dir / "open/cache"), "no error");
}

TEST(StoreDirectory, RefusesOneOfAnotherUser) {
  temporary_directory dir;
  fs::create_directories(dir / "theirs/cache");
  // Only root can give a directory away; everybody else finds one of root's.
  const bool is_root = ::geteuid() == 0;
  const auto theirs = is_root ? dir / "theirs" : fs::path("/usr");
  ASSERT_EQ(is_root ? ::chown(theirs.c_str(), 65534, 65534) : 0, 0);
  EXPECT_THAT(refusal_of(theirs), HasSubstr("belongs to another user"));
  const auto below = is_root ? dir / "theirs/cache" : fs::path("/usr/lib");
  EXPECT_THAT(refusal_of(below), HasSubstr("belongs to another user"));
}

TEST(StoreDirectory, RefusesAPathThatTheLoaderWouldCut) {
  temporary_directory dir;
  EXPECT_THAT(refusal_of(dir / "a:b"), HasSubstr("has one of : ; $ in its path"));
}

TEST(StoreDirectory, RefusesAFileInItsPlace) {
  temporary_directory dir;
  write_file(dir / "cache", "a file");
  EXPECT_THAT(refusal_of(dir / "cache"), HasSubstr("cannot be opened"));
  EXPECT_THAT(refusal_of(dir / "cache/below"), HasSubstr("cannot be made: Not a directory"));
}

TEST(StoreSharing, TwoStoresOfOneDirectoryFindEachOthersContent) {
  temporary_directory dir;
  store one(options_in(dir)), two(options_in(dir));
  const content program("a program");
  put(one, program);
  EXPECT_TRUE(two.has(program.hash));
  EXPECT_EQ(everything_in(open(two, {program})->program), program.text);
}

TEST(StoreSharing, BothMayReceiveTheSameAtOnce) {
  temporary_directory dir;
  store one(options_in(dir)), two(options_in(dir));
  const content program("a program");
  const auto a = one.receive(program.hash, program.text.size());
  const auto b = two.receive(program.hash, program.text.size());
  EXPECT_TRUE(a->append(0, as_bytes(program.text)));
  EXPECT_TRUE(b->append(0, as_bytes(program.text)));
  EXPECT_EQ(a->finish(), std::error_code());
  EXPECT_EQ(b->finish(), std::error_code());
  EXPECT_TRUE(one.has(program.hash) && two.has(program.hash));
}

TEST(StoreSharing, WhatTheOtherEvictsIsMissing) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 1000;
  store one(o), two(o);
  const auto program = used_content(one, 'p', 900);
  EXPECT_TRUE(two.has(program.hash));
  static_cast<void>(used_content(two, 'q', 900));
  EXPECT_FALSE(one.has(program.hash));
  EXPECT_THAT(missing_of(one, {program}), ElementsAre(0));
}

TEST(StoreSharing, StartingDoesNotSweepWhatAnotherUses) {
  temporary_directory dir;
  store one(options_in(dir));
  const content program("a program"), library("a library");
  put(one, program);
  put(one, library);
  const auto l = open(one, {program, library});
  const auto in = one.receive(content("more").hash, 4);
  EXPECT_TRUE(in->append(0, as_bytes("more")));
  const store two(options_in(dir));
  EXPECT_EQ(read_file(l->library_path + "/module1"), library.text);
  EXPECT_EQ(in->finish(), std::error_code());
}

TEST(StoreSweep, RemovesWhatACrashLeftBehind) {
  temporary_directory dir;
  fs::create_directories(dir / "cache/run/dead/1");
  fs::permissions(dir / "cache", fs::perms::owner_all);
  fs::permissions(dir / "cache/run", fs::perms::owner_all);
  write_file(dir / "cache/run/dead/1/libx.so", "a library", 0500);
  write_file(dir / "cache/run/dead.lock", "");
  write_file(dir / "cache/part-dead", "half a program");
  const store s(options_in(dir));
  EXPECT_THAT(files_below(dir / "cache"), ElementsAre("run"));
}

TEST(StoreSweep, RemovesALinkAndNotWhatItPointsTo) {
  temporary_directory dir;
  fs::create_directories(dir / "cache/run/dead");
  fs::create_directory(dir / "precious");
  write_file(dir / "precious/file", "x");
  fs::permissions(dir / "cache", fs::perms::owner_all);
  fs::permissions(dir / "cache/run", fs::perms::owner_all);
  fs::create_directory_symlink(dir / "precious", dir / "cache/run/dead/link");
  write_file(dir / "cache/run/dead.lock", "");
  const store s(options_in(dir));
  EXPECT_THAT(files_below(dir / "cache"), ElementsAre("run"));
  EXPECT_TRUE(fs::exists(dir / "precious/file"));
}

/// Runs `body(directory)` in a child process with its own file system of one MiB at `directory`; its failed EXPECTs are
/// the exit status. -1 if this machine does not let us mount.
template <class F>
int on_a_small_disk(const fs::path& directory, F&& body) {
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    const bool can_mount = ::unshare(CLONE_NEWNS) == 0 &&
                           ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                           ::mount("none", directory.c_str(), "tmpfs", 0, "size=1m,mode=0700") == 0;
    if (!can_mount) ::_exit(77);
    body(directory);
    std::cout.flush();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  return code == 77 ? -1 : code;
}

store::options small_disk_options(const fs::path& directory) {
  store::options o;
  o.directory = directory;
  return o;
}

void runs_from_memory(const fs::path& directory) {
  store s(small_disk_options(directory));
  const content program(std::string(1'500'000, 'p')), library(std::string(900'000, 'l'));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_TRUE(s.has(program.hash));
  EXPECT_EQ(s.numbers().bytes_stored, program.text.size());
  auto l = open(s, {program});
  EXPECT_EQ(l->kind, "memfd");
  EXPECT_EQ(everything_in(l->program), program.text);
  EXPECT_TRUE(s.has(program.hash));  // for a second client, as long as the first one's image is in use
  l.reset();
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_THAT(files_below(directory), ElementsAre("run"));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_EQ(put(s, library), std::error_code());
  EXPECT_TRUE(fs::exists(directory / to_hex(library.hash)));
  l = open(s, {program, library});  // the disk has no room for a second copy of the library
  EXPECT_EQ(read_file(l->library_path + "/module1"), library.text);
  EXPECT_TRUE(l->library_path.starts_with("/dev/shm/pp-run-")) << l->library_path;
  const fs::path folder = l->library_path;
  l.reset();
  EXPECT_FALSE(fs::exists(folder));
}

TEST(StoreFullDisk, ContentIsKeptInMemoryWhileItIsInUse) {
  temporary_directory dir;
  const int status = on_a_small_disk(dir.path(), runs_from_memory);
  if (status < 0) GTEST_SKIP() << "this machine does not let us mount a file system of our own";
  EXPECT_EQ(status, 0);
}

void makes_room_on_the_disk(const fs::path& directory) {
  store s(small_disk_options(directory));
  const auto old = used_content(s, 'o', 700'000);
  const content program(std::string(700'000, 'p'));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_FALSE(s.has(old.hash));
  EXPECT_TRUE(fs::exists(directory / to_hex(program.hash)));
}

TEST(StoreFullDisk, TheLeastRecentlyUsedGoesEvenBelowTheLimit) {
  temporary_directory dir;
  const int status = on_a_small_disk(dir.path(), makes_room_on_the_disk);
  if (status < 0) GTEST_SKIP() << "this machine does not let us mount a file system of our own";
  EXPECT_EQ(status, 0);
}

void works_on_a_read_only_disk(const fs::path& directory) {
  ASSERT_EQ(::mount("none", directory.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
  for (const auto& path : {directory, directory / "cache"}) {
    store s(small_disk_options(path));
    const content program("a program"), library("a library");
    EXPECT_EQ(put(s, program), std::error_code());
    EXPECT_EQ(put(s, library), std::error_code());
    const auto l = open(s, {program, library});
    EXPECT_EQ(everything_in(l->program), program.text);
    EXPECT_EQ(read_file(l->library_path + "/module1"), library.text);
  }
}

TEST(StoreFullDisk, AReadOnlyDiskIsNoReasonToStop) {
  temporary_directory dir;
  const int status = on_a_small_disk(dir.path(), works_on_a_read_only_disk);
  if (status < 0) GTEST_SKIP() << "this machine does not let us mount a file system of our own";
  EXPECT_EQ(status, 0);
}

void says_that_nothing_can_be_executed(const fs::path& directory) {
  ASSERT_EQ(::mount("none", directory.c_str(), "tmpfs", MS_REMOUNT | MS_NOEXEC, "size=1m"), 0);
  ASSERT_EQ(::mount("none", "/dev/shm", "tmpfs", MS_NOEXEC, "size=1m,mode=1777"), 0);
  auto o = small_disk_options(directory);
  o.allow_memfd = false;
  store s(o);
  const content program("a program");
  put(s, program);
  EXPECT_THAT(words_of([&] { static_cast<void>(open(s, {program})); }), HasSubstr("start it with another --cache-dir"));
  EXPECT_THAT(files_below(directory / "run"), testing::IsEmpty());
}

TEST(StoreFullDisk, ADiskThatForbidsExecutionIsNamed) {
  temporary_directory dir;
  const int status = on_a_small_disk(dir.path(), says_that_nothing_can_be_executed);
  if (status < 0) GTEST_SKIP() << "this machine does not let us mount a file system of our own";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace pp::code
