#include "auth/key_text.hpp"

#include <gtest/gtest.h>

#include "auth/crypto.hpp"

namespace pp::auth {
namespace {

std::string text_of(const secret& s) { return std::string(as_text(s.view())); }

TEST(KeyText, RoundTripsForAnyKey) {
  for (int i = 0; i < 100; ++i) {
    const auto raw = random_secret(raw_key_size);
    const auto line = text_of(to_key_text(raw));
    ASSERT_EQ(line.size(), key_text_size);
    ASSERT_EQ(to_hex(from_key_text(line)->view()), to_hex(raw.view()));
    ASSERT_EQ(to_hex(from_base64url(text_of(to_base64url(raw)))->view()), to_hex(raw.view()));
  }
}

TEST(KeyText, TakesWhatAPersonTypes) {
  const secret raw(bytes(raw_key_size, 0x5a));
  auto line = text_of(to_key_text(raw));
  for (auto& c : line) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::size_t at = 52; at > 0; at -= 4) line.insert(at, at % 8 == 0 ? "-" : " ");
  line += "\n";
  ASSERT_TRUE(looks_like_key_text(line));
  EXPECT_EQ(to_hex(from_key_text(line)->view()), to_hex(raw.view()));
}

TEST(KeyText, EveryWrongCharacterIsNoticed) {
  const auto line = text_of(to_key_text(secret(bytes(raw_key_size, 0x77))));
  int missed = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    for (const char other : std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")) {
      if (other == line[at]) continue;
      auto wrong = line;
      wrong[at] = other;
      EXPECT_TRUE(looks_like_key_text(wrong));
      missed += from_key_text(wrong) ? 1 : 0;
    }
  }
  EXPECT_EQ(missed, 0) << "20 bits of checksum";
}

TEST(KeyText, RefusesOtherLengthsAndLetters) {
  const auto line = text_of(to_key_text(secret(bytes(raw_key_size, 1))));
  EXPECT_FALSE(from_key_text(line.substr(1)));
  EXPECT_FALSE(from_key_text(line + "A"));
  EXPECT_FALSE(from_key_text(""));
  EXPECT_FALSE(looks_like_key_text("0" + line.substr(1))) << "base32 has no zero";
}

TEST(Base64Url, HasOneFormForEachKey) {
  const auto line = text_of(to_base64url(secret(bytes(raw_key_size, 0xff))));
  EXPECT_EQ(line, std::string(42, '_') + "8");
  EXPECT_FALSE(from_base64url(std::string(42, '_') + "9")) << "the last two bits are not zero";
  EXPECT_FALSE(from_base64url(std::string(42, '/') + "8")) << "that is the other base64";
  EXPECT_FALSE(from_base64url(line + "="));
  EXPECT_FALSE(from_base64url(line.substr(1)));
}

}  // namespace
}  // namespace pp::auth
