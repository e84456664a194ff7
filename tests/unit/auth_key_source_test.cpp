// Where keys are looked for, in which order, and that a source which was named is never passed over.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/key_lines.hpp"
#include "auth/key_text.hpp"
#include "auth/keyring.hpp"
#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::auth {
namespace {

namespace fs = std::filesystem;
using test::temporary_directory;
using test::write_file;

std::string line_of(std::uint8_t fill) {
  return "ppk1 key" + std::to_string(fill) + " all 2026-11-22 - " +
         std::string(as_text(to_base64url(secret(bytes(32, fill))).view())) + "\n";
}

/// An environment without any of this user's own keys.
class KeySource : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : names) {
      if (const char* value = std::getenv(name)) saved_.emplace_back(name, value);
      ::unsetenv(name);
    }
    set("HOME", dir_.path());
  }
  void TearDown() override {
    for (const char* name : names) ::unsetenv(name);
    for (const auto& [name, value] : saved_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  std::string put(const std::string& where, std::uint8_t fill) {
    const auto path = dir_ / where;
    fs::create_directories(path.parent_path());
    write_file(path, line_of(fill));
    return path.string();
  }
  static std::string why_refused(const key_source& from) {
    try {
      load_keyring(from);
    } catch (const error& e) {
      EXPECT_EQ(e.code(), errc::refused);
      return e.what();
    }
    return "taken";
  }
  static std::string name_found(const key_source& from = {}) { return load_keyring(from).keys.proving().name(); }

  static constexpr const char* names[] = {"HOME", "XDG_CONFIG_HOME", "CREDENTIALS_DIRECTORY", "PP_SECRET_FILE",
                                          "PP_SECRET"};
  temporary_directory dir_;
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(KeySource, OrderIsFlagThenVariableThenCredentialThenConfigurationThenHome) {
  put(".config/pp/keyring", 5);
  EXPECT_EQ(name_found(), "key5");
  put("xdg/pp/keyring", 4);
  set("XDG_CONFIG_HOME", (dir_ / "xdg").string());
  EXPECT_EQ(name_found(), "key4");
  put("credentials/pp-keyring", 3);
  set("CREDENTIALS_DIRECTORY", (dir_ / "credentials").string());
  EXPECT_EQ(name_found(), "key3");
  set("PP_SECRET_FILE", put("named", 2));
  EXPECT_EQ(name_found(), "key2");
  key_source flag;
  flag.file = put("flag", 1);
  EXPECT_EQ(name_found(flag), "key1");
  EXPECT_EQ(load_keyring(flag).origin, *flag.file);
}

TEST_F(KeySource, CredentialsDirectoryWithoutOurKeyIsPassedOver) {
  put(".config/pp/keyring", 5);
  set("CREDENTIALS_DIRECTORY", dir_.path().string());
  EXPECT_EQ(name_found(), "key5");
}

TEST_F(KeySource, NamedSourceThatIsMissingOrBrokenIsTheEnd) {
  put(".config/pp/keyring", 5);
  key_source flag;
  flag.file = (dir_ / "missing").string();
  EXPECT_NE(why_refused(flag).find("missing (named by --secret-file) does not exist: make it with"), std::string::npos);
  set("PP_SECRET_FILE", (dir_ / "missing").string());
  EXPECT_NE(why_refused({}).find("(named by PP_SECRET_FILE) does not exist"), std::string::npos);
  set("PP_SECRET_FILE", "");
  EXPECT_NE(why_refused({}).find("PP_SECRET_FILE is empty"), std::string::npos);
  write_file(dir_ / "broken", "nonsense\n");
  set("PP_SECRET_FILE", (dir_ / "broken").string());
  EXPECT_NE(why_refused({}).find("broken line 1: this is no key line"), std::string::npos);
  write_file(dir_ / "open", line_of(1), 0644);
  set("PP_SECRET_FILE", (dir_ / "open").string());
  EXPECT_NE(why_refused({}).find("can be read by others (mode 0644): run chmod 600"), std::string::npos);
}

TEST_F(KeySource, UnnamedKeyringThatIsBrokenIsTheEndToo) {
  put(".config/pp/keyring", 5);
  ASSERT_EQ(::chmod((dir_ / ".config/pp/keyring").c_str(), 0644), 0);
  EXPECT_NE(why_refused({}).find("can be read by others"), std::string::npos);
}

TEST_F(KeySource, DescriptorIsReadOnce) {
  const int fd = ::open(put("file", 6).c_str(), O_RDONLY | O_CLOEXEC);
  key_source flag;
  flag.file = "fd:" + std::to_string(fd);
  EXPECT_EQ(name_found(flag), "key6");
  EXPECT_NE(why_refused(flag).find("cannot be read: Bad file descriptor"), std::string::npos);
  flag.file = "fd:x";
  EXPECT_NE(why_refused(flag).find("is no descriptor"), std::string::npos);
  flag.file = "fd:3x";
  EXPECT_NE(why_refused(flag).find("is no descriptor"), std::string::npos);
}

TEST_F(KeySource, InlineTakesKeysAndStrongPassphrases) {
  key_source from;
  const secret raw(bytes(32, 9));
  from.inline_secret = std::string(as_text(to_key_text(raw).view()));
  testing::internal::CaptureStderr();
  EXPECT_EQ(load_keyring(from).keys.proving().id(), key("x", raw).id());
  from.inline_secret = line_of(9);
  EXPECT_EQ(load_keyring(from).keys.proving().id(), key("x", raw).id());
  from.inline_secret = "seven small rivers under 41 old bridges";
  const auto loaded = load_keyring(from);
  EXPECT_FALSE(loaded.weak);
  const auto logged = testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find("event=inline_secret"), std::string::npos);
  EXPECT_EQ(logged.find("rivers"), std::string::npos);
}

TEST_F(KeySource, InlineRefusesMistypedKeysAndWeakPassphrases) {
  key_source from;
  auto mistyped = std::string(as_text(to_key_text(secret(bytes(32, 9))).view()));
  mistyped[0] = mistyped[0] == 'A' ? 'B' : 'A';
  from.inline_secret = mistyped;
  EXPECT_NE(why_refused(from).find("a character of the inline key is wrong"), std::string::npos);
  from.inline_secret = "epo20pdosl;dksldkmm";
  EXPECT_NE(why_refused(from).find("is published"), std::string::npos);
  from.allow_weak = true;
  EXPECT_TRUE(load_keyring(from).weak);
  from.inline_secret = "";
  EXPECT_NE(why_refused(from).find("is empty"), std::string::npos);
}

TEST_F(KeySource, FileAndInlineTogetherAreRefused) {
  key_source both;
  both.file = put("file", 1);
  both.inline_secret = "x";
  EXPECT_NE(why_refused(both).find("leave one out"), std::string::npos);
}

// The variable is looked at once in a process, so this runs in one of its own.
int use_environment_secret() {
  ::setenv("PP_SECRET", "seven small rivers under 41 old bridges", 1);
  const char* in_memory = std::getenv("PP_SECRET");
  const auto first = load_keyring({});
  if (std::getenv("PP_SECRET") != nullptr) return 1;
  if (std::string_view(in_memory, 5) != std::string_view("\0\0\0\0\0", 5)) return 2;
  if (load_keyring({}).keys.proving().id() != first.keys.proving().id()) return 3;
  ::setenv("PP_SECRET_FILE", "/nonexistent", 1);
  try {
    load_keyring({});
    return 4;
  } catch (const error& e) {
    return std::string(e.what()) == "both PP_SECRET and PP_SECRET_FILE are set: unset one of them" ? 0 : 5;
  }
}

TEST_F(KeySource, EnvironmentSecretIsTakenOutAtOnceAndRemembered) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::_Exit(use_environment_secret()), testing::ExitedWithCode(0), "inline_secret");
}

TEST_F(KeySource, FirstRunMakesAKeyringOnce) {
  key_source from;
  from.create_if_missing = true;
  const auto made = load_keyring(from);
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.origin, (dir_ / ".config/pp/keyring").string());
  struct stat s {};
  ASSERT_EQ(::stat(made.origin.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0600U);
  const auto again = load_keyring(from);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.keys.proving().id(), made.keys.proving().id());
}

TEST_F(KeySource, NoKeyAnywhereSaysWhatToDo) {
  if (::access("/etc/pp/keyring", R_OK) == 0) return;  // this machine has a keyring of its own
  EXPECT_NE(why_refused({}).find("make one with `ppserver key new`"), std::string::npos);
  key_source from;
  from.absent_is_empty = true;
  EXPECT_TRUE(load_keyring(from).keys.empty());
}

TEST_F(KeySource, RelativeConfigurationHomeIsIgnored) {
  set("XDG_CONFIG_HOME", "relative");
  EXPECT_EQ(default_keyring_path(), dir_ / ".config/pp/keyring");
  ::unsetenv("HOME");
  EXPECT_TRUE(default_keyring_path().empty());
}

}  // namespace
}  // namespace pp::auth
