#include "wire/frame.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

std::array<std::uint8_t, frame_header_size> encoded(const frame_header& h) {
  std::array<std::uint8_t, frame_header_size> out{};
  encode_frame_header(h, out.data());
  return out;
}

TEST(FrameDecode, GivesBackWhatWasEncoded) {
  const frame_header h{max_frame_payload, message_type::submit, flag_more, 65535, ~0ULL};
  EXPECT_EQ(*decode_frame_header(encoded(h).data()), h);
}

TEST(FrameDecode, RejectsLengthAboveLimit) {
  const frame_header h{max_frame_payload + 1, message_type::submit, 0, 1, 1};
  EXPECT_EQ(decode_frame_header(encoded(h).data()).error(), make_error_code(errc::bad_message));
  EXPECT_TRUE(decode_frame_header(encoded(h).data(), max_frame_payload + 1));
}

TEST(FrameDecode, RejectsEveryReservedFlag) {
  for (unsigned bit = 1; bit < 8; ++bit) {
    const frame_header h{0, message_type::ping, static_cast<std::uint8_t>(1U << bit), 0, 0};
    EXPECT_FALSE(decode_frame_header(encoded(h).data())) << bit;
  }
}

TEST(FrameDecode, AcceptsUnknownTypes) {
  const frame_header h{0, static_cast<message_type>(200), 0, 0, 0};
  ASSERT_TRUE(decode_frame_header(encoded(h).data()));
  EXPECT_EQ(decode_frame_header(encoded(h).data())->type, static_cast<message_type>(200));
}

}  // namespace
}  // namespace pp::wire
