#include "wire/announce.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

announce some_announce() {
  announce m;
  m.type = announce_type::reply;
  m.draining = true;
  m.seq = ~0ULL;
  m.unix_ms = -1;
  m.name = "a node";
  m.addresses = {{4, {10, 0, 0, 1}}, {6, {0xfe, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}}};
  return m;
}

TEST(Announce, RoundTripsAndHasOneSize) {
  const auto content = encode_announce(some_announce());
  EXPECT_EQ(content.size(), datagram_content_size);
  EXPECT_EQ(*decode_announce(content), some_announce());
}

TEST(Announce, CutsWhatIsTooLong) {
  auto m = some_announce();
  m.name = std::string(40, 'n');
  m.addresses.assign(6, {4, {1, 2, 3, 4}});
  const auto got = decode_announce(encode_announce(m)).value();
  EXPECT_EQ(got.name, std::string(30, 'n'));
  EXPECT_EQ(got.addresses.size(), 4U);
}

TEST(AnnounceDecode, AcceptsOneFormOnly) {
  const auto changed = [](std::size_t offset, std::uint8_t value) {
    auto content = encode_announce(some_announce());
    content[offset] = value;
    return decode_announce(content).has_value();
  };
  EXPECT_FALSE(changed(0, 'Q')) << "magic";
  EXPECT_FALSE(changed(4, 0)) << "type 0";
  EXPECT_FALSE(changed(4, 5)) << "type 5";
  EXPECT_FALSE(changed(5, 2)) << "unknown flag";
  EXPECT_FALSE(changed(7, 1)) << "length";
  EXPECT_FALSE(changed(104, 5)) << "five addresses";
  EXPECT_FALSE(changed(104, 3)) << "third address is unused";
  EXPECT_FALSE(changed(104, 1)) << "second address is there but not counted";
  EXPECT_FALSE(changed(105, 31)) << "name of 31";
  EXPECT_FALSE(changed(106 + 29, 'x')) << "bytes behind the name";
  EXPECT_FALSE(changed(136, 5)) << "family 5";
  EXPECT_FALSE(changed(136 + 5, 1)) << "bytes behind an IPv4 address";
  EXPECT_FALSE(changed(223, 1)) << "reserved bytes";
}

TEST(AnnounceDecode, RejectsEveryOtherLength) {
  auto content = encode_announce(some_announce());
  for (std::size_t size = 0; size < content.size(); ++size) {
    EXPECT_FALSE(decode_announce(byte_view(content).first(size))) << size;
  }
  content.push_back(0);
  EXPECT_FALSE(decode_announce(content));
}

}  // namespace
}  // namespace pp::wire
