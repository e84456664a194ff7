#include "auth/secret.hpp"

#include <type_traits>

#include <gtest/gtest.h>

#include "auth/crypto.hpp"

namespace pp::auth {
namespace {

static_assert(!std::is_copy_constructible_v<secret> && !std::is_copy_assignable_v<secret>);
static_assert(std::is_nothrow_move_constructible_v<secret> && std::is_nothrow_move_assignable_v<secret>);

TEST(Secret, HoldsACopyOfItsBytes) {
  bytes raw = {1, 2, 3};
  const secret s(raw);
  raw[0] = 9;
  EXPECT_EQ(to_hex(s.view()), "010203");
}

TEST(Secret, MovingLeavesNothingBehind) {
  secret a(bytes{1, 2, 3});
  secret b(std::move(a));
  EXPECT_TRUE(a.empty());  // NOLINT: what a moved-from secret holds is the point
  EXPECT_EQ(b.size(), 3U);
  secret c(bytes{4});
  c = std::move(b);
  EXPECT_EQ(to_hex(c.view()), "010203");
  EXPECT_TRUE(b.empty());  // NOLINT
}

TEST(Secret, StartsAsZerosAndMayBeEmpty) {
  EXPECT_EQ(to_hex(secret(4).view()), "00000000");
  EXPECT_TRUE(secret(0).empty());
  EXPECT_TRUE(secret(byte_view{}).empty());
}

TEST(Secret, MoreThanTheSecureHeapHoldsStillWorks) {
  std::vector<secret> many;
  for (int i = 0; i < 64; ++i) many.emplace_back(std::size_t{32 * 1024});
  for (auto& s : many) s.writable()[0] = 1;
  EXPECT_EQ(many.back().size(), 32U * 1024U);
}

TEST(ConstantTimeEqual, ComparesContentAndLength) {
  EXPECT_TRUE(constant_time_equal(bytes{1, 2}, bytes{1, 2}));
  EXPECT_FALSE(constant_time_equal(bytes{1, 2}, bytes{1, 3}));
  EXPECT_FALSE(constant_time_equal(bytes{1, 2}, bytes{1}));
  EXPECT_TRUE(constant_time_equal({}, {}));
}

TEST(Random, TwoDrawsDiffer) {
  const auto first = random_array<32>(), second = random_array<32>();
  EXPECT_NE(first, second);
  EXPECT_NE(to_hex(random_secret(32).view()), to_hex(random_secret(32).view()));
}

}  // namespace
}  // namespace pp::auth
