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
  for (unsigned bit = 2; bit < 8; ++bit) {
    const frame_header h{0, message_type::ping, static_cast<std::uint8_t>(1U << bit), 0, 0};
    EXPECT_FALSE(decode_frame_header(encoded(h).data())) << bit;
  }
}

TEST(FrameDecode, ASizedFrameHasMoreBehindItAndRoomForTheSize) {
  const std::uint8_t both = flag_more | flag_sized;
  EXPECT_TRUE(decode_frame_header(encoded({8, message_type::submit, both, 1, 1}).data()));
  EXPECT_FALSE(decode_frame_header(encoded({8, message_type::submit, flag_sized, 1, 1}).data()));
  EXPECT_FALSE(decode_frame_header(encoded({7, message_type::submit, both, 1, 1}).data()));
}

TEST(FrameSize, GivesBackWhatTheFirstFrameSays) {
  std::array<std::uint8_t, frame_header_size + message_size_bytes> out{};
  EXPECT_EQ(encode_first_of_several({0, message_type::result, 0, 2, 7}, 100, 500'000'000, out.data()), out.size());
  const auto head = decode_frame_header(out.data());
  ASSERT_TRUE(head);
  EXPECT_EQ(*head, (frame_header{108, message_type::result, flag_more | flag_sized, 2, 7}));
  EXPECT_EQ(*decode_message_size(*head, out.data() + frame_header_size), 500'000'000U);
}

TEST(FrameSize, IsBoundedAndMoreThanItsFirstFrame) {
  const frame_header head{108, message_type::result, flag_more | flag_sized, 1, 1};
  const auto says = [&](const frame_header& h, std::uint64_t whole) {
    std::array<std::uint8_t, 8> payload{};
    store_big_endian(payload.data(), whole);
    return bool(decode_message_size(h, payload.data()));
  };
  EXPECT_TRUE(says(head, 101));
  EXPECT_TRUE(says(head, max_message_bytes));
  EXPECT_FALSE(says(head, 100));
  EXPECT_FALSE(says(head, 0));
  EXPECT_FALSE(says(head, max_message_bytes + 1));
  EXPECT_FALSE(says(head, ~0ULL));
  EXPECT_FALSE(says({108, message_type::result, flag_more, 1, 1}, 200));
}

TEST(FrameDecode, AcceptsUnknownTypes) {
  const frame_header h{0, static_cast<message_type>(200), 0, 0, 0};
  ASSERT_TRUE(decode_frame_header(encoded(h).data()));
  EXPECT_EQ(decode_frame_header(encoded(h).data())->type, static_cast<message_type>(200));
}

}  // namespace
}  // namespace pp::wire
