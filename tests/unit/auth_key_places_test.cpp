#include "auth/key_places.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/support/temporary_directory.hpp"

namespace pp::auth {
namespace {

bool has(const std::vector<std::string>& places, const std::filesystem::path& path) {
  return std::find(places.begin(), places.end(), path.string()) != places.end();
}

class KeyPlaces : public testing::Test {
 protected:
  KeyPlaces() {
    if (const char* now = std::getenv("XDG_CONFIG_HOME")) saved_ = now;
    ::setenv("XDG_CONFIG_HOME", (directory / "config").c_str(), 1);
    std::filesystem::create_directories(directory / "named" / "pp");
    test::write_file(directory / "named" / "pp" / "keyring", "");
    test::write_file(directory / "named" / "my-key", "");
  }
  ~KeyPlaces() override {
    if (saved_.empty())
      ::unsetenv("XDG_CONFIG_HOME");
    else
      ::setenv("XDG_CONFIG_HOME", saved_.c_str(), 1);
  }
  test::temporary_directory directory;

 private:
  std::string saved_;
};

TEST_F(KeyPlaces, AreTheUsualDirectoryEvenBeforeItExists) {
  EXPECT_TRUE(has(places_of_keys(""), directory / "config" / "pp"));
  EXPECT_TRUE(has(places_of_keys("standard input"), directory / "config" / "pp"));
}

TEST_F(KeyPlaces, AreTheWholeDirectoryOnlyWhereItIsMadeForKeys) {
  EXPECT_TRUE(has(places_of_keys((directory / "named" / "pp" / "keyring").string()), directory / "named" / "pp"));
  const auto among_data = places_of_keys((directory / "named" / "my-key").string());
  EXPECT_TRUE(has(among_data, directory / "named" / "my-key"));
  EXPECT_FALSE(has(among_data, directory / "named"));
}

TEST_F(KeyPlaces, OfAKeyThatIsInNoFileAreTheUsualOnesOnly) {
  EXPECT_EQ(places_of_keys("PP_SECRET"), places_of_keys(""));
}

}  // namespace
}  // namespace pp::auth
