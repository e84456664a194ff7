#include "auth/keyring.hpp"

#include <set>

#include <gtest/gtest.h>

#include "auth/key_lines.hpp"
#include "auth/key_text.hpp"
#include "pp/error.hpp"

namespace pp::auth {
namespace {

std::string base64_of(std::uint8_t fill) { return std::string(as_text(to_base64url(secret(bytes(32, fill))).view())); }
std::string line_of(const std::string& name, std::uint8_t fill) {
  return "ppk1 " + name + " all 2026-11-22 - " + base64_of(fill);
}

std::string why_refused(const std::string& text) {
  try {
    parse_key_lines(text, "keyring /k", false);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::refused);
    return e.what();
  }
  return "taken";
}

TEST(Keyring, FirstLineProvesAndAllVerify) {
  const auto ring =
      make_keyring(parse_key_lines("# keys\n\n" + line_of("new", 1) + "\n" + line_of("old", 2), "k", false));
  ASSERT_EQ(ring.keys().size(), 2U);
  EXPECT_EQ(ring.proving().name(), "new");
  const auto& old = ring.keys()[1];
  EXPECT_EQ(ring.find(old.id()), &old);
  EXPECT_EQ(ring.find(key_id{}), nullptr);
}

TEST(Keyring, EveryRoleAndDirectionHasAKeyOfItsOwn) {
  const key k("k", secret(bytes(32, 1)));
  std::set<std::string> all = {to_hex(k.discovery())};
  for (int r = 1; r <= 4; ++r) {
    all.insert(to_hex(k.client(static_cast<role>(r))));
    all.insert(to_hex(k.server(static_cast<role>(r))));
  }
  EXPECT_EQ(all.size(), 9U);
}

TEST(KeyLines, TakeEveryFormThatIsDocumented) {
  const auto key_text = std::string(as_text(to_key_text(secret(bytes(32, 3))).view()));
  const auto lines =
      parse_key_lines(line_of("a", 1) + "\r\nppk1\tb\tsubmit,observe,admin,discover,pair\t2026-01-01\t-\t" +
                          base64_of(2) + "\n  " + key_text + "  \npass:seven small rivers under 41 old bridges",
                      "k", false);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[1].name, "b");
  EXPECT_EQ(to_hex(lines[2].raw.view()), to_hex(bytes(32, 3)));
  EXPECT_EQ(to_hex(lines[3].raw.view()), "5b567a848e9548307528d347dc9f41e8e32e99758f2a86cf4b7df38c7e9ad263");
}

TEST(KeyLines, RenderingGivesTheLineBack) {
  const auto lines = parse_key_lines(line_of("alice", 7), "k", false);
  EXPECT_EQ(as_text(to_ppk1_line(lines[0]).view()), line_of("alice", 7) + "\n");
}

TEST(KeyLines, OneWrongLineRefusesTheWholeText) {
  const auto good = line_of("a", 1) + "\n";
  const std::pair<std::string, const char*> cases[] = {
      {"", "keyring /k holds no key"},
      {"# only a comment\n", "keyring /k holds no key"},
      {good + "ppk1 b all 2026-11-22 -", "line 2: a key line has 6 columns"},
      {good + line_of("b", 2) + " more", "line 2: a key line has 6 columns"},
      {"ppk1 a/b all 2026-11-22 - " + base64_of(1), "line 1: the name may have"},
      {"ppk1 " + std::string(65, 'n') + " all 2026-11-22 - " + base64_of(1), "line 1: the name may have"},
      {"ppk1 a submit 2026-11-22 - " + base64_of(1), "the roles must be `all`"},
      {"ppk1 a submit,observe,admin,discover,pair,x 2026-11-22 - " + base64_of(1), "the roles must be `all`"},
      {"ppk1 a all yesterday - " + base64_of(1), "the date of creation must look like"},
      {"ppk1 a all 2026-11-22 2027-11-22 " + base64_of(1), "the date of expiry must be `-`"},
      {"ppk1 a all 2026-11-22 - " + base64_of(1).substr(1), "the last column is no key"},
      {"ppk1 a all 2026-11-22 - " + base64_of(1) + "=", "the last column is no key"},
      {"ppk2 a all 2026-11-22 - " + base64_of(1), "this is no key line"},
      {good + good, "line 2: this key stands there twice"},
      {"pass:too short", "the passphrase is shorter than 16 characters"},
      {"pass:epo20pdosl;dksldkmm", "the passphrase is published"},
  };
  for (const auto& [text, reason] : cases)
    EXPECT_NE(why_refused(text).find(reason), std::string::npos) << why_refused(text);
}

TEST(KeyLines, MistypedKeyTextIsNamedAsSuch) {
  auto text = std::string(as_text(to_key_text(secret(bytes(32, 3))).view()));
  text[5] = text[5] == 'A' ? 'B' : 'A';
  EXPECT_NE(why_refused(text).find("a character of the key is wrong"), std::string::npos);
}

TEST(KeyLines, ComplaintsNeverContainTheKey) {
  const auto key = base64_of(0x42);
  EXPECT_EQ(why_refused("ppk1 a all 2026-11-22 2027-01-01 " + key).find(key), std::string::npos);
  EXPECT_EQ(why_refused(key).find(key), std::string::npos);
  EXPECT_EQ(why_refused("pass:hunter2").find("hunter2"), std::string::npos);
}

TEST(KeyLines, WeakPassphraseIsMarkedWhereItIsAllowed) {
  const auto lines = parse_key_lines("pass:weak", "k", true);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].weakness, "is shorter than 16 characters");
}

TEST(KeyLines, MadeUpTextNeverCrashes) {
  std::uint32_t state = 1;
  const std::string letters = "ppk1 all-2026\n\t#:=AZ\x01\xff";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (int n = 0; n < 40; ++n) {
      state = state * 1664525 + 1013904223;
      text += letters[(state >> 16U) % letters.size()];
    }
    EXPECT_NE(why_refused(text), "taken");
  }
}

}  // namespace
}  // namespace pp::auth
