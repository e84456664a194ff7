#include "auth/admission.hpp"

#include <gtest/gtest.h>

namespace pp::auth {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

source numbered(unsigned n) {
  const std::uint8_t address[4] = {10, static_cast<std::uint8_t>(n >> 16U), static_cast<std::uint8_t>(n >> 8U),
                                   static_cast<std::uint8_t>(n)};
  return source_of(address, 4);
}

class Admission : public testing::Test {
 protected:
  bool fail_once(const source& from) {
    const auto v = gate.on_accept(from, t);
    if (v.admitted == 0) return false;
    gate.on_failed(v.admitted, t);
    return true;
  }

  admission gate;
  time_point t{seconds(1000)};
};

TEST_F(Admission, FiveFailuresThenOneEveryTwoSeconds) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(fail_once(numbered(1))) << i;
  EXPECT_FALSE(fail_once(numbered(1)));
  t += milliseconds(1999);
  EXPECT_FALSE(fail_once(numbered(1)));
  t += milliseconds(1);
  EXPECT_TRUE(fail_once(numbered(1)));
  EXPECT_FALSE(fail_once(numbered(1)));
  t += seconds(3600);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(fail_once(numbered(1))) << "the bucket holds five and no more, " << i;
  EXPECT_FALSE(fail_once(numbered(1)));
}

TEST_F(Admission, FailuresOfOneSourceDoNotTouchAnother) {
  while (fail_once(numbered(1))) {
  }
  EXPECT_TRUE(fail_once(numbered(2)));
}

TEST_F(Admission, FailuresSideBySideArePaidForAfterwards) {
  std::vector<admission::ticket> open;
  for (int i = 0; i < 32; ++i) open.push_back(gate.on_accept(numbered(1), t).admitted);
  for (const auto one : open) gate.on_failed(one, t);
  t += seconds(2 * 27);  // 5 − 32 = −27: zero again, but no try yet
  EXPECT_EQ(gate.on_accept(numbered(1), t).admitted, 0U);
  t += seconds(2);
  EXPECT_NE(gate.on_accept(numbered(1), t).admitted, 0U);
}

TEST_F(Admission, ProvedAndClosedConnectionsAreNoFailures) {
  for (int i = 0; i < 100; ++i) {
    t += milliseconds(10);
    const auto v = gate.on_accept(numbered(1), t);
    ASSERT_NE(v.admitted, 0U) << i;
    if (i % 2 == 0) gate.on_proved(v.admitted, t);
    gate.on_closed(v.admitted, t);
  }
  EXPECT_EQ(gate.strangers(), 0U);
}

TEST_F(Admission, LiveSessionKeepsOneHandshakePerSecond) {
  const auto session = gate.on_accept(numbered(1), t).admitted;
  gate.on_proved(session, t);
  for (int i = 0; i < 5; ++i) fail_once(numbered(1));
  EXPECT_TRUE(fail_once(numbered(1))) << "one more, because a session lives";
  EXPECT_FALSE(fail_once(numbered(1)));
  for (int second = 0; second < 5; ++second) {
    t += seconds(1);
    EXPECT_TRUE(fail_once(numbered(1))) << second;
    EXPECT_FALSE(fail_once(numbered(1))) << second;
  }
  gate.on_closed(session, t);
  t += seconds(1);
  EXPECT_FALSE(fail_once(numbered(1))) << "the session is gone, the debt is not";
}

TEST_F(Admission, ThirtyTwoStrangersPerSource) {
  std::vector<admission::ticket> open;
  for (int i = 0; i < 32; ++i) open.push_back(gate.on_accept(numbered(1), t).admitted);
  const auto v = gate.on_accept(numbered(1), t);
  EXPECT_EQ(v.admitted, 0U);
  EXPECT_STREQ(v.refusal, "too many connections before login from this address");
  gate.on_closed(open[7], t);
  EXPECT_NE(gate.on_accept(numbered(1), t).admitted, 0U);
}

TEST_F(Admission, FromThreeQuartersOnTheGreediestSourceLosesItsOldest) {
  std::vector<admission::ticket> greedy;
  for (unsigned n = 0; n < 192; ++n) {
    const bool is_greedy = n % 6 == 0;  // 32 of 192
    const auto v = gate.on_accept(numbered(is_greedy ? 9999 : n), t);
    ASSERT_NE(v.admitted, 0U) << n;
    ASSERT_EQ(v.evict, 0U) << n;
    if (is_greedy) greedy.push_back(v.admitted);
    t += milliseconds(10);
  }
  for (unsigned i = 0; i < 31; ++i) {
    const auto v = gate.on_accept(numbered(20'000 + i), t);
    EXPECT_NE(v.admitted, 0U);
    EXPECT_EQ(v.evict, greedy[i]) << i;
    t += milliseconds(10);
  }
  EXPECT_EQ(gate.strangers(), 192U);
  EXPECT_NE(gate.on_accept(numbered(30'000), t).evict, 0U) << "then the oldest of all";
}

TEST_F(Admission, EvictedTicketMayStillBeClosed) {
  admission::ticket evicted = 0;
  for (unsigned n = 0; n < 193; ++n) {
    evicted = gate.on_accept(numbered(n), t).evict;
    t += milliseconds(10);
  }
  ASSERT_NE(evicted, 0U);
  gate.on_failed(evicted, t);
  gate.on_closed(evicted, t);
  gate.on_proved(evicted, t);
  EXPECT_EQ(gate.strangers(), 192U);
}

TEST_F(Admission, TwoHundredHandshakesAtOnceThenAHundredPerSecond) {
  const auto admitted_of = [&](unsigned count, unsigned base) {
    unsigned admitted = 0;
    for (unsigned n = 0; n < count; ++n) admitted += gate.on_accept(numbered(base + n), t).admitted != 0 ? 1 : 0;
    return admitted;
  };
  EXPECT_EQ(admitted_of(300, 0), 200U);
  t += seconds(1);
  EXPECT_EQ(admitted_of(300, 1000), 100U);
  t += seconds(10);
  EXPECT_EQ(admitted_of(300, 2000), 200U);
  EXPECT_STREQ(gate.on_accept(numbered(5000), t).refusal, "too many logins per second");
}

TEST_F(Admission, RefusedConnectionsCostNoHandshake) {
  for (int i = 0; i < 5; ++i) fail_once(numbered(1));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(fail_once(numbered(1)));
  unsigned admitted = 0;
  for (unsigned n = 0; n < 300; ++n) admitted += gate.on_accept(numbered(100 + n), t).admitted != 0 ? 1 : 0;
  EXPECT_EQ(admitted, 195U);
}

TEST_F(Admission, OneLogLinePerSourceInTenSeconds) {
  EXPECT_TRUE(gate.may_log(numbered(1), t).write);
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(gate.may_log(numbered(1), t).write);
  EXPECT_TRUE(gate.may_log(numbered(2), t).write);
  t += seconds(10);
  const auto line = gate.may_log(numbered(1), t);
  EXPECT_TRUE(line.write);
  EXPECT_EQ(line.swallowed, 7U);
}

TEST_F(Admission, NoiseFromManySourcesKeepsNobodyOut) {
  unsigned lines = 0;
  for (unsigned n = 0; n < 100'000; ++n) lines += gate.may_log(numbered(n), t).write ? 1 : 0;
  EXPECT_LE(lines, 2049U) << "beyond half of the table all share one line";
  EXPECT_NE(gate.on_accept(numbered(200'000), t).admitted, 0U);
}

TEST_F(Admission, SourcesAreForgottenWhenNothingIsLeftToRemember) {
  for (unsigned n = 0; n < 50'000; ++n) {
    fail_once(numbered(n));
    t += milliseconds(50);
  }
  EXPECT_NE(gate.on_accept(numbered(60'000), t).admitted, 0U) << "the table did not fill up";
}

TEST(SourceOf, Ipv6CountsByItsFirst64Bits) {
  const std::uint8_t a[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const std::uint8_t b[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2};
  const std::uint8_t c[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(source_of(a, 16), source_of(b, 16));
  EXPECT_NE(source_of(a, 16), source_of(c, 16));
}

TEST(SourceOf, MappedIpv4IsTheIpv4Source) {
  const std::uint8_t v4[4] = {192, 0, 2, 1};
  const std::uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  EXPECT_EQ(source_of(v4, 4), source_of(mapped, 16));
  EXPECT_EQ(source_of(v4, 3), source{});
}

}  // namespace
}  // namespace pp::auth
