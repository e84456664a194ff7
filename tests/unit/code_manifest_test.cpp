#include "code/manifest.hpp"

#include <gtest/gtest.h>

#include "code/location.hpp"

namespace pp::code {
namespace {

manifest example() {
  manifest m;
  m.asks = {62, 3, "2.36", "3.4.30", "1.3.13"};
  m.modules.push_back({"app", 123456, auth::sha256(as_bytes("app")), {1, 2, 3, 4}});
  m.modules.push_back({"libours.so.1", max_module_bytes, auth::sha256(as_bytes("lib")), {}});
  return m;
}

bool is_refused(const manifest& m) { return decode_manifest(encode_manifest(m)).has_error(); }

TEST(Manifest, RoundTrips) {
  const auto decoded = decode_manifest(encode_manifest(example()));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, example());
}

TEST(Manifest, IdIsTheHashOfItsBytes) {
  EXPECT_EQ(id_of(encode_manifest(example())), auth::sha256(encode_manifest(example())));
}

TEST(Manifest, EveryTruncationIsRefused) {
  const auto whole = encode_manifest(example());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(decode_manifest(byte_view(whole).first(size)).has_error()) << size;
  }
}

TEST(Manifest, TrailingBytesAreRefused) {
  auto longer = encode_manifest(example());
  longer.push_back(0);
  EXPECT_TRUE(decode_manifest(longer).has_error());
}

TEST(Manifest, EveryBitFlipIsRefusedOrGivesAnotherManifest) {
  const auto whole = encode_manifest(example());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto flipped = whole;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << bit % 8));
    const auto decoded = decode_manifest(flipped);
    EXPECT_TRUE(decoded.has_error() || *decoded != example()) << bit;
  }
}

TEST(Manifest, RefusesNamesThatAreNoPlainFileNames) {
  for (const char* name : {"", ".", "..", "a/b", "/etc/passwd", "../x", "new\nline", "\x7f"}) {
    auto m = example();
    m.modules[1].name = name;
    EXPECT_TRUE(is_refused(m)) << name;
  }
  auto m = example();
  m.modules[1].name = std::string("a\0b", 3);
  EXPECT_TRUE(is_refused(m));
  m.modules[1].name = std::string(256, 'x');
  EXPECT_TRUE(is_refused(m));
  m.modules[1].name = std::string(255, 'x');
  EXPECT_FALSE(is_refused(m));
}

TEST(Manifest, RefusesTwoModulesOfOneName) {
  auto m = example();
  m.modules[1].name = m.modules[0].name;
  EXPECT_TRUE(is_refused(m));
}

TEST(Manifest, RefusesSizesOutsideTheLimits) {
  auto m = example();
  m.modules[0].size = 0;
  EXPECT_TRUE(is_refused(m));
  m.modules[0].size = max_module_bytes + 1;
  EXPECT_TRUE(is_refused(m));
}

TEST(Manifest, RefusesNoModuleAndTooMany) {
  auto m = example();
  m.modules.clear();
  EXPECT_TRUE(is_refused(m));
  for (std::size_t i = 0; i <= max_modules; ++i) m.modules.push_back({"lib" + std::to_string(i), 1, {}, {}});
  EXPECT_TRUE(is_refused(m));
  m.modules.pop_back();
  EXPECT_FALSE(is_refused(m));
}

TEST(Manifest, RefusesVersionsThatAreNoNumbers) {
  auto m = example();
  m.asks.glibc = "2.36; rm -rf /";
  EXPECT_TRUE(is_refused(m));
  m.asks.glibc = std::string(33, '1');
  EXPECT_TRUE(is_refused(m));
}

TEST(Manifest, RefusesAnotherFormat) {
  auto encoded = encode_manifest(example());
  encoded[0] = 2;
  EXPECT_TRUE(decode_manifest(encoded).has_error());
}

TEST(Location, HoldsModuleAndOffset) {
  const auto l = make_location(511, 0x123456789abcULL);
  EXPECT_EQ(module_of(l), 511);
  EXPECT_EQ(offset_of(l), 0x123456789abcULL);
  EXPECT_NE(make_location(0, 0), no_location);
}

}  // namespace
}  // namespace pp::code
