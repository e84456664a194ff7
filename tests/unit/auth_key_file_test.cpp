// Files as a user may have left them: each refusal says what to do, and what pp writes is never readable by others.
#include "auth/key_file.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temporary_directory.hpp"

namespace pp::auth {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::temporary_directory;
using test::write_file;

std::string why_refused(const fs::path& path, key_file_kind kind = key_file_kind::own) {
  try {
    return read_key_file(path, kind) ? "taken" : "absent";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::refused);
    return e.what();
  }
}

mode_t mode_of(const fs::path& path) {
  struct stat s {};
  EXPECT_EQ(::lstat(path.c_str(), &s), 0) << path;
  return s.st_mode & 07777U;
}

TEST(KeyFileRead, GivesTheContent) {
  const temporary_directory dir;
  write_file(dir / "keyring", "content");
  EXPECT_EQ(as_text(read_key_file(dir / "keyring")->view()), "content");
}

TEST(KeyFileRead, MissingFileOrDirectoryIsAbsent) {
  const temporary_directory dir;
  write_file(dir / "file", "x");
  EXPECT_EQ(why_refused(dir / "keyring"), "absent");
  EXPECT_EQ(why_refused(dir / "no" / "keyring"), "absent");
  EXPECT_EQ(why_refused(dir / "file" / "keyring"), "absent");
}

TEST(KeyFileRead, AnyBitForOthersIsRefusedWithTheCommandThatHelps) {
  const temporary_directory dir;
  const auto path = dir / "keyring";
  for (const unsigned mode : {0644U, 0640U, 0604U, 0620U, 0601U, 0610U}) {
    write_file(path, "content", mode);
    char text[8];
    std::snprintf(text, sizeof text, "%04o", mode);
    EXPECT_EQ(why_refused(path), "keyring " + path.string() + " can be read by others (mode " + text +
                                     "): run chmod 600 " + path.string());
    fs::remove(path);
  }
  for (const unsigned mode : {0600U, 0400U, 0700U}) {
    write_file(path, "content", mode);
    EXPECT_EQ(why_refused(path), "taken");
    fs::remove(path);
  }
}

TEST(KeyFileRead, SystemdMayLetTheServicesGroupIn) {
  const temporary_directory dir;
  write_file(dir / "pp-keyring", "content", 0440);
  const bool is_root = ::geteuid() == 0;
  EXPECT_EQ(why_refused(dir / "pp-keyring", key_file_kind::credential) == "taken", is_root) << "root's file only";
  EXPECT_NE(why_refused(dir / "pp-keyring"), "taken");
  fs::remove(dir / "pp-keyring");
  write_file(dir / "pp-keyring", "content", 0444);
  EXPECT_NE(why_refused(dir / "pp-keyring", key_file_kind::credential), "taken");
}

TEST(KeyFileRead, EmptyAndHugeFilesAreRefused) {
  const temporary_directory dir;
  write_file(dir / "empty", "");
  EXPECT_NE(why_refused(dir / "empty").find("is empty: make a key with `ppserver key new`"), std::string::npos);
  write_file(dir / "huge", std::string(max_key_file + 1, '#'));
  EXPECT_NE(why_refused(dir / "huge").find("is larger than 64 KiB"), std::string::npos);
  write_file(dir / "largest", std::string(max_key_file, '#'));
  EXPECT_EQ(why_refused(dir / "largest"), "taken");
}

TEST(KeyFileRead, OnlyRegularFilesAreRead) {
  const temporary_directory dir;
  write_file(dir / "real", "content");
  fs::create_symlink(dir / "real", dir / "link");
  EXPECT_EQ(why_refused(dir / "link"),
            "keyring " + (dir / "link").string() + " is a symbolic link: name the file itself");
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_NE(why_refused(dir / "pipe").find("is not a regular file"), std::string::npos)
      << "and nobody waited for a writer";
  fs::create_directory(dir / "directory");
  EXPECT_NE(why_refused(dir / "directory").find("is not a regular file"), std::string::npos);
  fs::create_symlink("nowhere", dir / "dangling");
  EXPECT_NE(why_refused(dir / "dangling").find("is a symbolic link"), std::string::npos);
}

TEST(KeyFileRead, DirectoryThatOthersCanWriteIsRefused) {
  const temporary_directory dir;
  const auto open_to_all = dir / "open";
  fs::create_directory(open_to_all);
  write_file(open_to_all / "keyring", "content");
  for (const mode_t mode : {0777U, 0775U, 0757U}) {
    ASSERT_EQ(::chmod(open_to_all.c_str(), mode), 0);
    EXPECT_NE(why_refused(open_to_all / "keyring").find("run chmod go-w " + open_to_all.string()), std::string::npos);
  }
  ASSERT_EQ(::chmod(open_to_all.c_str(), 01777), 0);
  EXPECT_EQ(why_refused(open_to_all / "keyring"), "taken") << "in a sticky directory nobody else can replace the file";
}

TEST(KeyFileRead, OtherUsersFilesAndDirectoriesAreRefused) {
  const temporary_directory dir;
  const uid_t stranger = ::geteuid() + 1;
  write_file(dir / "keyring", "content");
  if (::chown((dir / "keyring").c_str(), stranger, stranger) != 0) {
    EXPECT_NE(::geteuid(), 0U) << "only root can make such a file; for others the next lines cannot be tried";
    return;
  }
  EXPECT_NE(why_refused(dir / "keyring").find("belongs to another user"), std::string::npos);
  fs::create_directory(dir / "theirs");
  write_file(dir / "theirs/keyring", "content");
  ASSERT_EQ(::chown((dir / "theirs").c_str(), stranger, stranger), 0);
  EXPECT_NE(why_refused(dir / "theirs/keyring").find("belongs to another user"), std::string::npos);
}

TEST(KeyDescriptor, ReadsPipesToTheEnd) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "abc", 3), 3);
  ::close(ends[1]);
  EXPECT_EQ(as_text(read_key_descriptor(ends[0], "fd:7").view()), "abc");
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), -1) << "it was closed";
}

TEST(KeyDescriptor, BadOrEmptyOnesAreNamed) {
  try {
    read_key_descriptor(-1, "fd:99");
    FAIL();
  } catch (const error& e) {
    EXPECT_STREQ(e.what(), "fd:99 cannot be read: Bad file descriptor");
  }
  try {
    read_key_descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC), "standard input");
    FAIL();
  } catch (const error& e) {
    EXPECT_STREQ(e.what(), "standard input is empty: a keyring or a key was expected");
  }
}

TEST(KeyFileCreate, MakesDirectoriesAndFileForTheOwnerOnly) {
  const temporary_directory dir;
  const auto path = dir / "a" / "b" / "keyring";
  const auto old = ::umask(0);
  EXPECT_TRUE(create_key_file(path, as_bytes("content")));
  ::umask(old);
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(mode_of(dir / "a"), 0700U);
  EXPECT_EQ(mode_of(dir / "a" / "b"), 0700U);
  EXPECT_EQ(read_file(path), "content");
  EXPECT_EQ(test::files_below(dir / "a" / "b"), std::vector<std::string>{"keyring"}) << "nothing temporary is left";
}

TEST(KeyFileCreate, LeavesWhatIsThereAlone) {
  const temporary_directory dir;
  write_file(dir / "keyring", "old");
  EXPECT_FALSE(create_key_file(dir / "keyring", as_bytes("new")));
  fs::create_symlink("nowhere", dir / "link");
  EXPECT_FALSE(create_key_file(dir / "link", as_bytes("new")));
  EXPECT_EQ(read_file(dir / "keyring"), "old");
  EXPECT_EQ(test::files_below(dir.path()), (std::vector<std::string>{"keyring", "link"}));
}

TEST(KeyFileCreate, RefusesADirectoryThatOthersCanWrite) {
  const temporary_directory dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  EXPECT_THROW(create_key_file(dir / "keyring", as_bytes("new")), error);
  EXPECT_TRUE(test::files_below(dir.path()).empty());
}

TEST(KeyFileCreate, SaysWhyItCannotWrite) {
  const temporary_directory dir;
  write_file(dir / "file", "x");
  try {
    create_key_file(dir / "file" / "keyring", as_bytes("new"));
    FAIL();
  } catch (const unwritable_key_file& e) {
    EXPECT_NE(std::string(e.what()).find("cannot be written: Not a directory"), std::string::npos) << e.what();
  }
}

TEST(KeyFileReplace, PutsAWholeNewFileInPlace) {
  const temporary_directory dir;
  write_file(dir / "keyring", "old");
  replace_key_file(dir / "keyring", as_bytes("new"));
  EXPECT_EQ(read_file(dir / "keyring"), "new");
  EXPECT_EQ(mode_of(dir / "keyring"), 0600U);
  EXPECT_EQ(test::files_below(dir.path()), std::vector<std::string>{"keyring"});
}

}  // namespace
}  // namespace pp::auth
