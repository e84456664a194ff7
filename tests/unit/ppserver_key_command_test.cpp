#include "ppserver/key_command.hpp"

#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key_text.hpp"
#include "auth/keyring.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::ppserver {
namespace {

struct outcome {
  int status = -1;
  std::string out, err;
};

/// `ppserver key …` in this process.
outcome run(std::vector<std::string> arguments) {
  CLI::App app("ppserver");
  std::function<int()> chosen;
  add_key_command(app, chosen);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them last first
  outcome got;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  try {
    app.parse(arguments);
    got.status = chosen ? chosen() : -1;
  } catch (const CLI::ParseError&) {
    got.status = 64;
  }
  got.out = testing::internal::GetCapturedStdout();
  got.err = testing::internal::GetCapturedStderr();
  return got;
}

class KeyCommand : public testing::Test {
 protected:
  outcome key(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "key");
    arguments.insert(arguments.end(), {"--file", file});
    return run(arguments);
  }
  std::string content() const { return test::read_file(file); }

  test::temporary_directory dir;
  std::string file = (dir / "pp/keyring").string();
};

TEST_F(KeyCommand, NewMakesAKeyringAndShowsNoKey) {
  const auto got = key({"new", "--name", "alice"});
  EXPECT_EQ(got.status, 0) << got.err;
  struct stat s {};
  ASSERT_EQ(::stat(file.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0600U);
  const auto secret_column = content().substr(content().rfind(' ') + 1, 43);
  EXPECT_EQ(got.out.find(secret_column), std::string::npos);
  EXPECT_NE(got.out.find("(alice)"), std::string::npos);
  auth::key_source from;
  from.file = file;
  EXPECT_NE(got.out.find(auth::load_keyring(from).keys.proving().id_text()), std::string::npos);
}

TEST_F(KeyCommand, NewLeavesAnExistingKeyringAlone) {
  key({"new"});
  const auto before = content();
  const auto got = key({"new"});
  EXPECT_EQ(got.status, 78);
  EXPECT_NE(got.err.find("exists already and was left alone: --add"), std::string::npos);
  EXPECT_EQ(content(), before);
}

TEST_F(KeyCommand, AddPutsTheKeyBehindTheOthers) {
  key({"new", "--name", "first"});
  const auto before = content();
  EXPECT_EQ(key({"new", "--add", "--name", "second"}).status, 0);
  EXPECT_TRUE(content().starts_with(before));
  auth::key_source from;
  from.file = file;
  const auto keys = auth::load_keyring(from).keys;
  ASSERT_EQ(keys.keys().size(), 2U);
  EXPECT_EQ(keys.proving().name(), "first");
}

TEST_F(KeyCommand, ShowNamesEverythingButTheKeys) {
  key({"new", "--name", "first"});
  key({"new", "--add", "--name", "second"});
  const auto got = key({"show"});
  EXPECT_EQ(got.status, 0);
  EXPECT_NE(got.out.find("keyring " + file), std::string::npos);
  EXPECT_NE(got.out.find("first  roles all"), std::string::npos);
  EXPECT_NE(got.out.find("second  roles all"), std::string::npos);
  EXPECT_EQ(got.out.find(content().substr(content().rfind(' ') + 1, 43)), std::string::npos);
}

TEST_F(KeyCommand, ExportedLineMakesTheSameKeyElsewhere) {
  key({"new"});
  const auto exported = key({"export"});
  EXPECT_EQ(exported.status, 0);
  EXPECT_EQ(exported.out.size(), auth::key_text_size + 1);
  test::write_file(dir / "line", exported.out);
  const auto other = (dir / "other").string();
  const auto got = run({"key", "import", (dir / "line").string(), "--file", other});
  EXPECT_EQ(got.status, 0) << got.err;
  auth::key_source mine, theirs;
  mine.file = file;
  theirs.file = other;
  EXPECT_EQ(auth::load_keyring(mine).keys.proving().id(), auth::load_keyring(theirs).keys.proving().id());
}

TEST_F(KeyCommand, ExportTakesAnotherKeyByNameOrId) {
  key({"new", "--name", "first"});
  key({"new", "--add", "--name", "second"});
  const auto second = key({"export", "--name", "second"});
  EXPECT_NE(second.out, key({"export"}).out);
  auth::key_source from;
  from.file = file;
  EXPECT_EQ(key({"export", "--name", auth::load_keyring(from).keys.keys()[1].id_text()}).out, second.out);
  const auto none = key({"export", "--name", "third"});
  EXPECT_EQ(none.status, 78);
  EXPECT_EQ(none.out, "");
}

TEST_F(KeyCommand, ImportTakesAKeyringFromStandardInput) {
  key({"new", "--name", "first"});
  key({"new", "--add", "--name", "second"});
  const int saved = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  const int from = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ::dup2(from, STDIN_FILENO);
  ::close(from);
  const auto other = (dir / "other").string();
  const auto got = run({"key", "import", "-", "--file", other});
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(test::read_file(other), content());
}

TEST_F(KeyCommand, ImportOverwritesNothingAndAddsNothingTwice) {
  key({"new"});
  const auto before = content();
  test::write_file(dir / "line", key({"export"}).out);
  const auto got = key({"import", (dir / "line").string()});
  EXPECT_EQ(got.status, 78);
  EXPECT_NE(got.err.find("exists already"), std::string::npos);
  const auto twice = key({"import", (dir / "line").string(), "--add"});
  EXPECT_EQ(twice.status, 78);
  EXPECT_NE(twice.err.find("this key stands there twice"), std::string::npos);
  EXPECT_EQ(content(), before);
}

TEST_F(KeyCommand, MistakesHaveTheirOwnStatuses) {
  EXPECT_EQ(run({"key"}).status, 64) << "no subcommand";
  EXPECT_EQ(run({"key", "import"}).status, 64) << "no file";
  EXPECT_EQ(key({"new", "--name", "a b"}).status, 64);
  EXPECT_EQ(key({"show"}).status, 78) << "no keyring";
  EXPECT_EQ(key({"export"}).status, 78);
  EXPECT_EQ(key({"import", (dir / "nothing").string()}).status, 78);
  test::write_file(dir / "plain", "x");
  EXPECT_EQ(run({"key", "new", "--file", (dir / "plain/keyring").string()}).status, 73);
  test::write_file(dir / "open", content(), 0644);
  const auto got = run({"key", "show", "--file", (dir / "open").string()});
  EXPECT_EQ(got.status, 78);
  EXPECT_NE(got.err.find("run chmod 600"), std::string::npos);
}

TEST_F(KeyCommand, VariableNamesTheKeyring) {
  ::setenv("PP_SECRET_FILE", file.c_str(), 1);
  EXPECT_EQ(run({"key", "new"}).status, 0);
  EXPECT_NE(content(), "");
  ::setenv("PP_SECRET_FILE", "fd:3", 1);
  EXPECT_EQ(run({"key", "show"}).status, 64);
  ::unsetenv("PP_SECRET_FILE");
}

}  // namespace
}  // namespace pp::ppserver
