#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace pp {
namespace {

TEST(Reader, GivesZeroAndNotOkAfterTheFirstShortRead) {
  const bytes three = {1, 2, 3};
  reader in(three);
  EXPECT_EQ(in.u16(), 0x0102);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.u16(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0) << "the byte that is left must not come out of step";
  EXPECT_FALSE(in.finished());
}

TEST(Reader, TextLongerThanTheRestIsShort) {
  const bytes cut = {0, 5, 'a', 'b'};
  reader in(cut);
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.ok());
}

TEST(Reader, ArrayBeyondTheEndIsZero) {
  const bytes two = {7, 7};
  reader in(two);
  EXPECT_EQ(in.array<4>(), (std::array<std::uint8_t, 4>{}));
  EXPECT_FALSE(in.ok());
}

TEST(Reader, FinishedMeansAllAndNoMore) {
  const bytes two = {1, 2};
  reader in(two);
  in.u8();
  EXPECT_FALSE(in.finished());
  in.u8();
  EXPECT_TRUE(in.finished());
}

TEST(Writer, NumbersComeBackBigEndian) {
  bytes out;
  writer to(out);
  to.u8(0xfe);
  to.u16(0x0102);
  to.u32(0x03040506);
  to.u64(0x0708090a0b0c0d0eULL);
  to.i64(-2);
  EXPECT_EQ(to_hex(out), "fe0102030405060708090a0b0c0d0efffffffffffffffe");
  reader in(out);
  EXPECT_EQ(in.u8(), 0xfe);
  EXPECT_EQ(in.u16(), 0x0102);
  EXPECT_EQ(in.u32(), 0x03040506U);
  EXPECT_EQ(in.u64(), 0x0708090a0b0c0d0eULL);
  EXPECT_EQ(in.i64(), -2);
  EXPECT_TRUE(in.finished());
}

TEST(Writer, TextIsCutAt65535Bytes) {
  bytes out;
  writer(out).text(std::string(70'000, 'x'));
  EXPECT_EQ(out.size(), 2U + 65'535U);
  EXPECT_EQ(reader(out).text(), std::string(65'535, 'x'));
}

TEST(Hex, RoundTripAndRefusals) {
  EXPECT_EQ(to_hex(bytes{0x00, 0xff, 0x1a}), "00ff1a");
  EXPECT_EQ(from_hex("00fF1A"), (bytes{0x00, 0xff, 0x1a}));
  EXPECT_TRUE(from_hex("0").empty());
  EXPECT_TRUE(from_hex("0g").empty());
  EXPECT_TRUE(from_hex("").empty());
}

}  // namespace
}  // namespace pp
