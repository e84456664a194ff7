#include "ppserver/offers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pp::ppserver {
namespace {

using ::testing::HasSubstr;

constexpr const char* one_function = R"~([{"name":"is_even","signature":"bool is_even(int)","help":""}])~";
constexpr auth::key_id key_a{1}, key_b{2};

class Offers : public ::testing::Test {
 protected:
  void offer(std::uint64_t session, const auth::key_id& key, const std::string& functions = one_function) {
    all.set(session, {key, 0x1000, 0x2000, functions, [this] { return is_here ? &manifest : nullptr; }});
  }

  bytes manifest{0xab, 0xcd};
  bool is_here = true;
  offers all;
};

TEST_F(Offers, AreListedForTheirKeyAlone) {
  offer(1, key_a);
  EXPECT_EQ(all.list(key_a), std::string(R"([{"manifest":"abcd","decoder":"1000","function":"2000","functions":)") +
                                 one_function + "}]");
  EXPECT_EQ(all.list(key_b), "[]");
}

TEST_F(Offers, AreListedWhenTheirProgramIsHere) {
  is_here = false;
  offer(1, key_a);
  EXPECT_EQ(all.list(key_a), "[]");
  is_here = true;
  EXPECT_THAT(all.list(key_a), HasSubstr("is_even"));
}

TEST_F(Offers, EndWithTheirSession) {
  offer(1, key_a);
  all.end(1);
  EXPECT_EQ(all.list(key_a), "[]");
}

TEST_F(Offers, ReplaceWhatTheSessionOfferedBefore) {
  offer(1, key_a);
  offer(1, key_a, R"([{"name":"other","signature":"","help":""}])");
  EXPECT_THAT(all.list(key_a), ::testing::Not(HasSubstr("is_even")));
  EXPECT_THAT(all.list(key_a), HasSubstr("other"));
}

TEST_F(Offers, OfSeveralClientsAreListedOnce) {
  offer(1, key_a);
  const auto alone = all.list(key_a);
  offer(2, key_a);
  EXPECT_EQ(all.list(key_a), alone);
}

TEST_F(Offers, StopAtTheLongestList) {
  for (std::uint64_t session = 1; session <= 300; ++session) {
    offer(
        session, key_a,
        R"([{"name":")" + std::to_string(session) + R"(","signature":"","help":")" + std::string(60000, 'x') + "\"}]");
  }
  EXPECT_LE(all.list(key_a).size(), offers::longest_list + 2);
}

TEST(OffersChecked, TakesAnArrayOfFunctions) {
  EXPECT_EQ(offers::checked("[ ]"), "[]");
  EXPECT_EQ(offers::checked(one_function), one_function);
}

TEST(OffersChecked, RefusesEverythingElse) {
  for (const char* wrong : {"", "{}", "3", "[3]", "[{}]", R"([{"name":"x","signature":"","help":1}])",
                            R"([{"name":"","signature":"","help":""}])", R"([{"name":"x","signature":""}])",
                            R"([{"name":"x","signature":"","help":"","more":1}])", "[",
                            "[{\"name\":\"\xff\",\"signature\":\"\",\"help\":\"\"}]"}) {
    EXPECT_EQ(offers::checked(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(offers::checked(R"([{"name":")" + std::string(256, 'n') + R"(","signature":"","help":""}])"), std::nullopt);
}

}  // namespace
}  // namespace pp::ppserver
