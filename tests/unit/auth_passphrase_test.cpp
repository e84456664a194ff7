#include "auth/passphrase.hpp"

#include <gtest/gtest.h>

namespace pp::auth {
namespace {

TEST(Passphrase, WeakOnesAreRefusedWithTheReason) {
  EXPECT_EQ(why_weak("short"), "is shorter than 16 characters");
  EXPECT_EQ(why_weak("epo20pdosl;dksldkmm"), "is published and the first thing that a stranger tries")
      << "ppft's default";
  EXPECT_EQ(why_weak("Correct Horse Battery Staple"), "is published and the first thing that a stranger tries");
  for (const char* weak :
       {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyz0123456789", "passwordpasswordpassword",
        "1234567890123456789012345", "qwertyqwertyqwerty", "mississippi river", "2026-11-22 2026-11-23"}) {
    EXPECT_EQ(why_weak(weak), "is easy to guess (under 60 estimated bits)") << weak;
  }
}

TEST(Passphrase, GoodOnesAreTaken) {
  for (const char* good :
       {"seven small rivers under 41 old bridges", "kR8#vq-2Zm!x7Lw&pQ3d", "ocelot gravy plinth wombat zephyr"}) {
    EXPECT_EQ(why_weak(good), "") << good << ' ' << estimated_bits(good);
  }
}

TEST(Passphrase, ReasonNeverContainsIt) {
  EXPECT_EQ(why_weak("hunter2hunter2hunter2").find("hunter"), std::string::npos);
}

}  // namespace
}  // namespace pp::auth
