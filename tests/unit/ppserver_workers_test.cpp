#include "ppserver/workers.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "pp/error.hpp"

namespace pp::ppserver {
namespace {

std::string refusal(const std::string& user) {
  try {
    find_job_user(user);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return {};
}

TEST(JobUser, IsLookedUpByRootOnly) {
  const bool is_root = ::geteuid() == 0;
  EXPECT_NE(refusal("no-such-user-here").find(is_root ? "there is no such user" : "only root can"), std::string::npos);
  EXPECT_NE(refusal("root").find(is_root ? "name an ordinary user" : "only root can"), std::string::npos);
  if (!is_root) return;
  const auto user = find_job_user("nobody");
  EXPECT_NE(user.uid, 0U);
  EXPECT_EQ(user.name, "nobody");
  EXPECT_NE(std::find(user.groups.begin(), user.groups.end(), user.gid), user.groups.end());
  EXPECT_FALSE(user.home.empty());
}

TEST(LaunchSettings, ProtectTheCacheAndTakeLevelAndPriority) {
  config c;
  c.cache_directory = "/var/cache/pp-here";
  c.isolate = worker::isolation_level::sandbox;
  c.nice = 4;
  const auto s = launch_settings_of(c, "");
  EXPECT_NE(std::find(s.protected_paths.begin(), s.protected_paths.end(), c.cache_directory), s.protected_paths.end());
  EXPECT_EQ(s.level, worker::isolation_level::sandbox);
  EXPECT_EQ(s.nice, 4);
  EXPECT_FALSE(s.user);
}

}  // namespace
}  // namespace pp::ppserver
