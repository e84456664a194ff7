#include "ppclient/capsule.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"

namespace pp::ppclient {
namespace {

using ::testing::HasSubstr;

capsule example() {
  wire::terms how;
  how.label = "nightly";
  how.environment = {"A=1", "B=x=y"};
  bytes terms;
  wire::encode_terms(how, terms);
  capsule c = capsule_of(*code::image::snapshot(), code::make_location(0, 77), code::make_location(0, 99), terms);
  c.code = errc::timed_out;
  c.about.id = "00112233445566778899aabbccddeeff";
  c.about.label = "nightly";
  c.about.message = "ran longer than its time limit of 1.5 s";
  return c;
}

std::string why_refused(const std::string& path) {
  try {
    open_capsule(path, true);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_message);
    return e.what();
  }
  return "it was not";
}

class CapsuleFile : public ::testing::Test {
 protected:
  std::string path(const std::string& name = "x.ppcapsule") const { return (directory_ / name).string(); }
  test::temporary_directory directory_;
  const bytes arguments_{1, 2, '\n', 4, 0};
};

TEST_F(CapsuleFile, ComesBackAsItWasWritten) {
  save_capsule(example(), arguments_, path());
  const auto back = open_capsule(path(), true);
  EXPECT_EQ(back.arguments, arguments_);
  EXPECT_EQ(back.what.manifest, example().manifest);
  EXPECT_EQ(back.what.files, example().files);
  EXPECT_EQ(back.what.decoder, code::make_location(0, 77));
  EXPECT_EQ(back.what.function, code::make_location(0, 99));
  EXPECT_EQ(back.what.how.environment, (std::vector<std::string>{"A=1", "B=x=y"}));
  EXPECT_EQ(back.what.code, errc::timed_out);
  EXPECT_THAT(back.what.report, HasSubstr("ran longer than its time limit of 1.5 s"));
  EXPECT_TRUE(open_capsule(path(), false).arguments.empty());
}

TEST_F(CapsuleFile, IsItsOwnersOnlyWhateverTheMask) {
  const mode_t before = ::umask(0);
  save_capsule(example(), arguments_, path());
  ::umask(before);
  struct stat about {};
  ASSERT_EQ(::stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777U, 0600U);
}

TEST_F(CapsuleFile, NeverReplacesAFileOrFollowsALink) {
  std::ofstream(path("there")) << "mine";
  EXPECT_THROW(save_capsule(example(), arguments_, path("there")), std::system_error);
  std::filesystem::create_symlink(path("target"), path("link"));
  EXPECT_THROW(save_capsule(example(), arguments_, path("link")), std::system_error);
  EXPECT_FALSE(std::filesystem::exists(path("target")));
  EXPECT_EQ(std::filesystem::file_size(path("there")), 4U);
}

TEST_F(CapsuleFile, IsNamedByLabelOrFunctionInPlainLetters) {
  job_report about;
  about.id = "00ff";
  about.function = "ns::f(std::vector<int> const&, char)";
  EXPECT_EQ(capsule_path("/d", about), "/d/ns-f-std-vector-int-const-char-00ff.ppcapsule");
  about.label = "../../etc/passwd\n$(x)";
  EXPECT_EQ(capsule_path("/d/", about), "/d/job..-..-etc-passwd-x-00ff.ppcapsule");
  about.label = std::string(500, 'y');
  EXPECT_EQ(capsule_path("/d", about), "/d/" + std::string(80, 'y') + "-00ff.ppcapsule");
  about.label = "***";
  EXPECT_EQ(capsule_path("/d", about), "/d/job-00ff.ppcapsule");
}

TEST_F(CapsuleFile, AnythingElseIsRefusedInWords) {
  EXPECT_THAT(why_refused(path("missing")), HasSubstr("cannot open"));
  std::ofstream(path("empty"));
  EXPECT_THAT(why_refused(path("empty")), HasSubstr("is no capsule: it has no first line"));
  std::ofstream(path("text")) << "hello\nworld\n";
  EXPECT_THAT(why_refused(path("text")), HasSubstr("is no capsule: its first line is not what pp writes there"));
  std::ofstream(path("newer")) << "{\"ppcapsule\": 2}\n";
  EXPECT_THAT(why_refused(path("newer")), HasSubstr("was written by a newer pp"));
  std::ofstream(path("half")) << "{\"ppcapsule\": 1}\n";
  EXPECT_THAT(why_refused(path("half")), HasSubstr("is no capsule"));
  EXPECT_THAT(why_refused(directory_.path().string()), HasSubstr("is no file"));
}

TEST_F(CapsuleFile, OneThatIsCutShortIsRefused) {
  save_capsule(example(), arguments_, path());
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) - 1);
  EXPECT_THAT(why_refused(path()), HasSubstr("is cut short"));
}

TEST_F(CapsuleFile, AListOfFilesThatWasChangedIsRefused) {
  capsule other = example();
  other.files.emplace_back("/one/too/many.so");
  save_capsule(other, arguments_, path());
  EXPECT_THAT(why_refused(path()), HasSubstr("is damaged"));
}

TEST_F(CapsuleFile, OneOfAnotherUserIsRefused) {
  save_capsule(example(), arguments_, path());
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path().c_str(), 65534, 65534), 0);
    EXPECT_THAT(why_refused(path()), HasSubstr("belongs to another user"));
  } else {
    EXPECT_NO_THROW(open_capsule(path(), true)) << "only root can give files away";
  }
}

}  // namespace
}  // namespace pp::ppclient
