// The bytes of every message, for ever: what is in tests/golden/v1 must decode to the same fields and encode to the
// same bytes.
#include "tests/golden/golden_codec.hpp"

#include <set>

#include <gtest/gtest.h>

namespace pp::test {
namespace {

TEST(Golden, EveryMessageHasAFile) {
  std::set<std::string> seen;
  for (const auto& file : golden_files()) seen.insert(file.message);
  // clang-format off
  for (const char* message :
       {"FRAME", "CLIENT_HELLO", "SERVER_HELLO", "CLIENT_PROOF", "SERVER_PROOF", "AUTH_FAIL", "DATAGRAM", "WELCOME",
        "CREDIT", "IMAGE", "NEED", "CHUNK", "UNFIT", "SUBMIT", "RESULT", "CANCEL",
        "PING", "PONG", "GOODBYE", "UNSUPPORTED", "STATS_QUERY", "OFFER", "FUNCTIONS_QUERY", "FUNCTIONS",
        "STATS", "READY", "MANIFEST", "HAVE", "FETCH_FROM", "FETCH", "RESOURCES",
        "VALUE", "RELEASE"}) {
    // clang-format on
    EXPECT_TRUE(seen.contains(message)) << message;
  }
}

TEST(Golden, BytesMeanWhatTheFileSays) {
  for (const auto& file : golden_files()) {
    const auto got = run_codec(file.message, file.raw);
    ASSERT_TRUE(got.has_value()) << file.name;
    EXPECT_EQ(got->fields, file.fields) << file.name;
  }
}

TEST(Golden, MeaningEncodesToTheBytes) {
  for (const auto& file : golden_files()) {
    const auto got = run_codec(file.message, file.raw);
    ASSERT_TRUE(got.has_value()) << file.name;
    EXPECT_EQ(to_hex(got->encoded), to_hex(file.raw)) << file.name;
  }
}

// A copy of exactly this size on the heap, so that the address sanitizer sees a read of one byte too many.
std::optional<decoded> run_on_exact_copy(const std::string& message, byte_view raw) {
  const auto copy = std::make_unique<std::uint8_t[]>(raw.size());
  std::copy(raw.begin(), raw.end(), copy.get());
  return run_codec(message, {copy.get(), raw.size()});
}

// Messages whose last field is `rest` are complete wherever it ends.
const std::set<std::string> open_ended = {"IMAGE", "CHUNK", "SUBMIT", "RESULT", "STATS", "OFFER", "FUNCTIONS"};

TEST(Golden, TruncationAtEveryByteIsRefusedOrHarmless) {
  for (const auto& file : golden_files()) {
    for (std::size_t size = 0; size < file.raw.size(); ++size) {
      const auto got = run_on_exact_copy(file.message, byte_view(file.raw).first(size));
      if (!open_ended.contains(file.message)) {
        EXPECT_FALSE(got.has_value()) << file.name << " cut to " << size;
      } else if (got) {
        EXPECT_EQ(to_hex(got->encoded), to_hex(byte_view(file.raw).first(size))) << file.name << " cut to " << size;
      }
    }
  }
}

TEST(Golden, BytesTooManyAreRefused) {
  for (const auto& file : golden_files()) {
    auto longer = file.raw;
    longer.push_back(0);
    const bool takes_more =
        open_ended.contains(file.message) && file.layout.back() != "failure" && file.name != "chunk_raw";
    EXPECT_EQ(run_on_exact_copy(file.message, longer).has_value(), takes_more) << file.name;
  }
}

TEST(Golden, EveryFlippedBitIsRefusedOrMeansSomethingElse) {
  for (const auto& file : golden_files()) {
    for (std::size_t bit = 0; bit < file.raw.size() * 8; ++bit) {
      auto flipped = file.raw;
      flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      const auto got = run_on_exact_copy(file.message, flipped);
      if (!got) continue;
      EXPECT_EQ(to_hex(got->encoded), to_hex(flipped)) << file.name << " bit " << bit;
      EXPECT_NE(got->fields, file.fields) << file.name << " bit " << bit;
    }
  }
}

}  // namespace
}  // namespace pp::test
