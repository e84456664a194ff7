#include "code/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/code_store_support.hpp"

namespace pp::code {
namespace {

using namespace store_test;
using test::files_below;
using test::read_file;
using test::temporary_directory;
using test::write_file;

TEST(Store, OpensAProgramAsSealedMemory) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_EQ(put(s, program), std::error_code());
  EXPECT_TRUE(s.has(program.hash));
  const auto l = open(s, {program});
  EXPECT_EQ(l->kind, "memfd");
  EXPECT_EQ(l->program_path, "");
  EXPECT_EQ(l->library_path, "");
  EXPECT_EQ(everything_in(l->program), program.text);
  struct stat st {};
  ASSERT_EQ(::fstat(l->program, &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0500U);
  EXPECT_NE(::fcntl(l->program, F_GETFD) & FD_CLOEXEC, 0);
  constexpr int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  EXPECT_EQ(::fcntl(l->program, F_GET_SEALS) & all, all);
  EXPECT_EQ(::pwrite(l->program, "X", 1, 0), -1);
}

TEST(Store, TheSameImageIsTheSameObjectWhileItIsHeld) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  put(s, program);
  const auto first = open(s, {program});
  EXPECT_EQ(open(s, {program}), first);
}

TEST(Store, WhatItGivesOutlivesIt) {
  temporary_directory dir;
  const content program("a program"), library("a library");
  auto s = std::make_unique<store>(options_in(dir));
  put(*s, program);
  put(*s, library);
  const auto l = open(*s, {program, library});
  s.reset();
  EXPECT_EQ(everything_in(l->program), program.text);
  EXPECT_EQ(read_file(l->library_path + "/module1"), library.text);
}

int exit_status_of(const launchable& l) {
  const pid_t child = ::fork();
  if (child == 0) {
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    char* environment[] = {nullptr};
    if (l.program_path.empty()) {
      ::fexecve(l.program, arguments, environment);
    } else {
      ::execve(l.program_path.c_str(), arguments, environment);
    }
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Store, ProgramsRunFromMemoryAndFromFiles) {
  const content program(read_file("/bin/true"));
  for (const bool allow_memfd : {true, false}) {
    temporary_directory dir;
    auto o = options_in(dir);
    o.allow_memfd = allow_memfd;
    store s(o);
    put(s, program);
    const auto l = open(s, {program});
    EXPECT_EQ(l->kind, allow_memfd ? "memfd" : "file");
    EXPECT_EQ(exit_status_of(*l), 0);
  }
}

TEST(Store, FallsBackToAFileThatOnlyItsOwnerCanRun) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.allow_memfd = false;
  store s(o);
  const content program("a program");
  put(s, program);
  auto l = open(s, {program});
  const std::string path = l->program_path;
  struct stat st {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0500U);
  ASSERT_EQ(::stat(std::filesystem::path(path).parent_path().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0700U);
  EXPECT_EQ(everything_in(l->program), program.text);
  l.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Store, SharedObjectsLieInOneFolderThatGoesWithTheImage) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program"), one("a library"), two("another one");
  for (const auto& c : {program, one, two}) put(s, c);
  auto l = open(s, {program, one, two});
  const std::filesystem::path folder = l->library_path;
  EXPECT_THAT(files_below(folder), testing::ElementsAre("module1", "module2"));
  EXPECT_EQ(read_file(folder / "module1"), one.text);
  struct stat st {};
  ASSERT_EQ(::stat(folder.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0700U);
  ASSERT_EQ(::stat((folder / "module2").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0500U);
  l.reset();
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_EQ(files_below(dir / "cache/run").size(), 0U);
}

TEST(Store, ALibraryIsAlsoFoundUnderItsSoname) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program"), library(any_library_with_soname("libgcc_s.so.1"));
  put(s, program);
  put(s, library);
  const auto l = open(s, {program, library});
  EXPECT_EQ(read_file(l->library_path + "/libgcc_s.so.1"), library.text);
}

TEST(Store, OneContentMayBeSeveralModules) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program"), library("a library");
  put(s, program);
  put(s, library);
  const auto l = open(s, {program, library, library});
  EXPECT_EQ(read_file(l->library_path + "/module2"), library.text);
}

TEST(Store, RefusesContentWithAnotherHash) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  const auto in = s.receive(program.hash, program.text.size());
  EXPECT_TRUE(in->append(0, as_bytes("A program")));
  EXPECT_EQ(in->finish(), make_error_code(errc::bad_message));
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_EQ(s.numbers().modules_received, 0U);
}

TEST(Store, RefusesPiecesOutOfOrderOrBeyondTheEnd) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  const auto in = s.receive(program.hash, program.text.size());
  EXPECT_FALSE(in->append(1, as_bytes("x")));
  EXPECT_TRUE(in->append(0, as_bytes("a pro")));
  EXPECT_FALSE(in->append(4, as_bytes("o")));
  EXPECT_FALSE(in->append(5, as_bytes("gramm")));
  EXPECT_FALSE(in->complete());
  EXPECT_TRUE(in->append(5, as_bytes("gram")));
  EXPECT_TRUE(in->complete());
  EXPECT_EQ(in->finish(), std::error_code());
}

TEST(Store, RefusesContentThatIsTooShort) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  const auto in = s.receive(program.hash, program.text.size() + 1);
  EXPECT_TRUE(in->append(0, as_bytes(program.text)));
  EXPECT_EQ(in->finish(), make_error_code(errc::bad_message));
  EXPECT_FALSE(s.has(program.hash));
}

TEST(Store, RefusesAManifestThatLiesAboutASize) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  put(s, program);
  auto m = manifest_of({program});
  m.modules[0].size += 1;
  EXPECT_THROW(static_cast<void>(s.open(m, encode_manifest(m))), error);
}

TEST(Store, PartialContentIsNeverFoundAndLeavesNothing) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  auto in = s.receive(program.hash, program.text.size());
  EXPECT_TRUE(in->append(0, as_bytes(program.text)));
  EXPECT_FALSE(s.has(program.hash));
  in.reset();
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_THAT(files_below(dir / "cache"), testing::ElementsAre("run"));
}

TEST(Store, SurvivesARestart) {
  temporary_directory dir;
  const content program("a program");
  put(*std::make_unique<store>(options_in(dir)), program);
  store again(options_in(dir));
  EXPECT_TRUE(again.has(program.hash));
  EXPECT_EQ(everything_in(open(again, {program})->program), program.text);
  EXPECT_EQ(again.numbers().bytes_stored, program.text.size());
  EXPECT_EQ(again.numbers().bytes_received, 0U);
}

TEST(Store, CountsWhatCameAndWhatWasHereAlready) {
  temporary_directory dir;
  store s(options_in(dir));
  const content program("a program");
  put(s, program);
  static_cast<void>(open(s, {program}));
  EXPECT_EQ(s.numbers().hits, 0U);
  static_cast<void>(open(s, {program}));
  EXPECT_EQ(s.numbers().hits, 1U);
  EXPECT_EQ(s.numbers().modules_received, 1U);
  EXPECT_EQ(s.numbers().bytes_received, program.text.size());
  EXPECT_EQ(s.numbers().bytes_stored, program.text.size());
}

TEST(Store, LeastRecentlyUsedGoesFirst) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 3000;
  store s(o);
  const auto a = used_content(s, 'a', 1000), b = used_content(s, 'b', 1000), c = used_content(s, 'c', 1000);
  EXPECT_TRUE(s.has(a.hash));  // a use: b is the oldest now
  const auto d = used_content(s, 'd', 1000);
  EXPECT_TRUE(s.has(a.hash) && s.has(c.hash) && s.has(d.hash));
  EXPECT_FALSE(s.has(b.hash));
  EXPECT_EQ(s.numbers().evicted, 1U);
  EXPECT_EQ(s.numbers().bytes_stored, 3000U);
}

TEST(Store, EvictionDoesNotTouchARunningImage) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 3000;
  store s(o);
  const content program(std::string(1000, 'p')), library(std::string(1000, 'l'));
  put(s, program);
  put(s, library);
  const auto l = open(s, {program, library});
  const auto big = used_content(s, 'x', 3000);
  EXPECT_FALSE(s.has(program.hash));
  EXPECT_EQ(everything_in(l->program), program.text);
  EXPECT_EQ(read_file(l->library_path + "/module1"), library.text);
}

TEST(Store, ModulesOfOneImageDoNotPushEachOtherOut) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 2500;
  store s(o);
  const content one(std::string(1000, '1')), two(std::string(1000, '2')), three(std::string(1000, '3'));
  put(s, one);
  put(s, two);
  EXPECT_EQ(code_of([&] { put(s, three); }), errc::overloaded);
  EXPECT_TRUE(s.has(one.hash) && s.has(two.hash));
  static_cast<void>(open(s, {one, two}));
  EXPECT_EQ(put(s, three), std::error_code());
}

TEST(Store, WhatIsOnItsWayCountsAsWell) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 2500;
  store s(o);
  auto first = s.receive(content("a").hash, 2000);
  EXPECT_EQ(code_of([&] { s.receive(content("b").hash, 1000); }), errc::overloaded);
  first.reset();
  EXPECT_NE(s.receive(content("b").hash, 1000), nullptr);
}

TEST(Store, ContentLargerThanTheStoreIsRefusedInWords) {
  temporary_directory dir;
  auto o = options_in(dir);
  o.limit_bytes = 3 << 20U;
  store s(o);
  try {
    s.receive({}, (5U << 20U) + 1);
    FAIL();
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::unfit_node);
    EXPECT_STREQ(
        e.what(),
        "a file of the program, or a shared value, has 6 MiB, the node keeps at most 3 MiB: start it with a larger --cache-size");
  }
}

void receive_value(store& to, const std::string& text) {
  const auto in = to.receive(content(text).hash, text.size(), store::place::memory);
  ASSERT_TRUE(in->append(0, as_bytes(text)));
  ASSERT_FALSE(in->finish());
}
std::size_t files_in(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for (const auto& e : std::filesystem::directory_iterator(directory)) count += e.is_regular_file() ? 1 : 0;
  return count;
}

TEST(Store, AValueIsInMemoryForAsLongAsItIsNeeded) {
  temporary_directory dir;
  store s(options_in(dir));
  receive_value(s, "a value");
  const auto id = content("a value").hash;
  EXPECT_EQ(files_in(options_in(dir).directory), 0U);
  auto value = s.open_value(id);
  EXPECT_EQ(value->id(), id);
  EXPECT_EQ(value->size(), 7U);
  EXPECT_EQ(s.open_value(id), value);
  EXPECT_TRUE(s.read(id)) << "for other nodes";
  value.reset();
  EXPECT_FALSE(s.knows(id));
  EXPECT_THROW(s.open_value(id), store::missing);
}

TEST(Store, AValueThatIsNotWhatWasAnnouncedIsNotKept) {
  temporary_directory dir;
  store s(options_in(dir));
  const auto in = s.receive(content("a value").hash, 7, store::place::memory);
  ASSERT_TRUE(in->append(0, as_bytes("a valux")));
  EXPECT_EQ(in->finish(), make_error_code(errc::bad_message));
  EXPECT_FALSE(s.knows(content("a value").hash));
}

TEST(Store, AValueThatNobodyOpensCanBeLetGo) {
  temporary_directory dir;
  store s(options_in(dir));
  receive_value(s, "a value");
  EXPECT_TRUE(s.knows(content("a value").hash));
  s.let_go(content("a value").hash);
  EXPECT_FALSE(s.knows(content("a value").hash));
}

TEST(Store, ContentOfAProgramCanBeAValueToo) {
  temporary_directory dir;
  store s(options_in(dir));
  const auto in = s.receive(content("on disk").hash, 7);
  ASSERT_TRUE(in->append(0, as_bytes("on disk")));
  ASSERT_FALSE(in->finish());
  const auto value = s.open_value(content("on disk").hash);
  EXPECT_EQ(value->size(), 7U);
  EXPECT_EQ(s.open_value(content("on disk").hash), value);
}

}  // namespace
}  // namespace pp::code
