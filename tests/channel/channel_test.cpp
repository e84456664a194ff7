// net::channel over a stream that fails at its n-th operation, gives one byte at a time, or says hostile things.
#include "net/channel.hpp"

#include <map>
#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/channel_rig.hpp"

namespace pp::test {
namespace {

using wire::message_type;

bytes pattern(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  bytes out(size);
  for (auto& b : out) b = static_cast<std::uint8_t>(random());
  return out;
}

TEST(Channel, DeliversSmallMessagesInOrder) {
  channel_rig rig;
  for (std::uint64_t job = 1; job <= 100; ++job) {
    rig.left().send(message_type::submit, job, 1, as_bytes("job " + std::to_string(job)));
  }
  rig.run_until([&] { return rig.at_right().messages.size() == 100; });
  for (std::uint64_t job = 1; job <= 100; ++job) {
    const auto& got = rig.at_right().messages[job - 1];
    EXPECT_EQ(got.head.job, job);
    EXPECT_EQ(got.head.type, message_type::submit);
    EXPECT_EQ(got.head.attempt, 1);
    EXPECT_EQ(as_text(got.payload), "job " + std::to_string(job));
  }
}

TEST(Channel, SmallFramesOfOneTurnShareAWrite) {
  channel_rig rig;
  for (std::uint64_t job = 1; job <= 1000; ++job) rig.left().send(message_type::submit, job, 1, as_bytes("x"));
  rig.run_until([&] { return rig.at_right().messages.size() == 1000; });
  EXPECT_LE(rig.left_writes(), 2U);
}

TEST(Channel, JoinsTwoPartsWithoutChangingThem) {
  channel_rig rig;
  rig.left().send(message_type::submit, 1, 1, as_bytes("head"), as_bytes("tail"));
  rig.run_until([&] { return rig.at_right().messages.size() == 1; });
  EXPECT_EQ(as_text(rig.at_right().messages[0].payload), "headtail");
}

TEST(Channel, CutsLargeMessagesAndPutsThemTogether) {
  channel_rig rig;
  for (const std::size_t size : {std::size_t{wire::max_frame_payload}, std::size_t{wire::max_frame_payload} + 1,
                                 std::size_t{3} * wire::max_frame_payload, std::size_t{5'000'003}}) {
    rig.at_right().messages.clear();
    const bytes sent = pattern(size, 1);
    rig.left().send(message_type::result, 7, 2, block::of(bytes(sent)));
    rig.run_until([&] { return !rig.at_right().messages.empty(); });
    ASSERT_EQ(rig.at_right().messages.size(), 1U);
    EXPECT_EQ(rig.at_right().messages[0].payload, sent) << size;
    EXPECT_EQ(rig.at_right().messages[0].head.attempt, 2);
  }
}

TEST(Channel, ABlockIsSentBehindItsFirstPartAndLetGo) {
  channel_rig rig;
  auto owner = std::make_shared<bytes>(pattern(1'000'000, 2));
  const std::weak_ptr<bytes> watch = owner;
  bytes expected{1, 2, 3};
  expected.insert(expected.end(), owner->begin(), owner->end());
  const mutable_byte_view all(*owner);
  rig.left().send(message_type::submit, 9, 1, bytes{1, 2, 3}, block(std::move(owner), all));
  rig.run_until([&] { return !rig.at_right().messages.empty(); });
  EXPECT_EQ(rig.at_right().messages[0].payload, expected);
  rig.run_until([&] { return watch.expired(); });
}

TEST(Channel, LargeMessagesAreReadIntoTheBlockTheHandlerChose) {
  channel_rig rig;
  rig.at_right().spare_room = 1000;
  const std::vector<std::size_t> sizes = {net::channel::largest_copied + 1, 200'000, wire::max_frame_payload,
                                          1'000'000};
  for (std::uint64_t job = 0; job < sizes.size(); ++job) {
    const bytes sent = pattern(sizes[job], static_cast<std::uint32_t>(job));
    rig.left().send(message_type::submit, job + 1, 1, byte_view(sent).first(24),
                    block::of(bytes(sent.begin() + 24, sent.end())));
    rig.run_until([&] { return rig.at_right().messages.size() == job + 1; });
    EXPECT_EQ(rig.at_right().messages[job].payload, sent) << sizes[job];
    EXPECT_EQ(rig.at_right().placed_sizes[job], sizes[job]);
    ASSERT_GE(rig.at_right().places[job].payload.size(), 24U) << "enough to see what a SUBMIT is for";
    EXPECT_TRUE(
        std::equal(rig.at_right().places[job].payload.begin(), rig.at_right().places[job].payload.end(), sent.begin()));
  }
  EXPECT_EQ(rig.at_right().owned, sizes.size());
}

TEST(Channel, ALargeMessageMayBeginWithAsMuchAsAJobsTerms) {
  channel_rig rig;
  const bytes sent = pattern(1'000'000, 7);
  const auto cut = static_cast<std::ptrdiff_t>(net::channel::largest_first_part);
  rig.left().send(message_type::submit, 1, 1, byte_view(sent).first(net::channel::largest_first_part),
                  block::of(bytes(sent.begin() + cut, sent.end())));
  rig.run_until([&] { return rig.at_right().messages.size() == 1; });
  EXPECT_EQ(rig.at_right().messages[0].payload, sent);
}

TEST(Channel, SmallMessagesNeedNoBlock) {
  channel_rig rig;
  rig.left().send(message_type::result, 1, 1, block::of(pattern(net::channel::largest_copied, 1)));
  rig.left().send(message_type::result, 2, 1, block::of(bytes{}));
  rig.run_until([&] { return rig.at_right().messages.size() == 2; });
  EXPECT_EQ(rig.at_right().owned, 0U);
  EXPECT_TRUE(rig.at_right().places.empty());
}

TEST(Channel, CopiedMessagesOfAnyLengthKeepTheirOrder) {
  channel_rig rig;
  const bytes long_one = pattern(3 * wire::max_frame_payload + 5, 1);
  rig.left().send(message_type::image, 0, 0, byte_view(long_one));
  rig.left().send(message_type::submit, 1, 1, as_bytes("behind it"));
  rig.run_until([&] { return rig.at_right().messages.size() == 2; });
  EXPECT_EQ(rig.at_right().messages[0].payload, long_one);
  EXPECT_EQ(as_text(rig.at_right().messages[1].payload), "behind it");
}

TEST(Channel, WhatIsSentBehindAJobDoesNotOvertakeIt) {
  channel_rig rig;
  rig.left().send(message_type::submit, 1, 1, block::of(pattern(2'000'000, 1)));
  rig.left().send(message_type::submit, 2, 1, block::of(pattern(1'000'000, 2)));
  rig.left().send_behind(message_type::cancel, 1, 1, as_bytes("x"));
  rig.left().send_behind(message_type::cancel, 3, 1, as_bytes("y"));
  rig.run_until([&] { return rig.at_right().messages.size() == 4; });
  std::vector<std::pair<message_type, std::uint64_t>> order;
  for (const auto& m : rig.at_right().messages) order.emplace_back(m.head.type, m.head.job);
  using pair = std::pair<message_type, std::uint64_t>;
  EXPECT_THAT(order, testing::ElementsAre(pair(message_type::cancel, 3), pair(message_type::submit, 2),
                                          pair(message_type::submit, 1), pair(message_type::cancel, 1)));
  rig.run_until([&] { return rig.left().queued_bytes() == 0; });
}

TEST(Channel, ALargeMessageWaitsUntilTheReceiverHasRoomForIt) {
  channel_rig rig;
  // Not touched, so these cost address space only, and the test ends long before they are sent.
  auto huge = std::make_shared<std::unique_ptr<std::uint8_t[]>>(new std::uint8_t[1U << 30U]);
  const mutable_byte_view all(huge->get(), 1U << 30U);
  rig.left().send(message_type::submit, 1, 1, block(huge, all));
  rig.left().send(message_type::submit, 2, 1, block(huge, all));
  rig.left().send(message_type::submit, 3, 1, block::of(pattern(100'000, 1)));
  rig.run_until([&] { return rig.at_right().bytes_seen > 4U * wire::max_frame_payload; });
  EXPECT_THAT(rig.at_right().placed_sizes, testing::ElementsAre(1U << 30U));
}

TEST(Channel, AHeartbeatDoesNotWaitBehindALargeMessage) {
  channel_rig rig;
  rig.left().send(message_type::result, 1, 1, block::of(pattern(8'000'000, 3)));
  rig.run_until([&] { return rig.at_right().bytes_seen > 100'000; });
  rig.left().send(message_type::ping, 0, 0, as_bytes("12345678"));
  rig.run_until([&] { return rig.at_right().messages.size() == 2; });
  EXPECT_EQ(rig.at_right().messages[0].head.type, message_type::ping);
  EXPECT_EQ(rig.at_right().messages[1].head.type, message_type::result);
}

TEST(Channel, LargeMessagesOfDifferentJobsTakeTurnsAndStayWhole) {
  channel_rig rig;
  std::map<std::uint64_t, bytes> sent;
  for (std::uint64_t job = 1; job <= 5; ++job) {
    sent[job] = pattern(1'000'000 + 1000 * job, static_cast<std::uint32_t>(job));
    rig.left().send(message_type::result, job, 1, block::of(bytes(sent[job])));
  }
  rig.run_until([&] { return rig.at_right().messages.size() == 5; });
  for (const auto& m : rig.at_right().messages) EXPECT_EQ(m.payload, sent[m.head.job]) << m.head.job;
}

TEST(Channel, ReadsOneByteAtATime) {
  channel_rig rig(rig_options{.right_read_size = 1});
  rig.left().send(message_type::submit, 1, 1, as_bytes("hello"));
  rig.left().send(message_type::submit, 2, 1, byte_view{});
  rig.left().send(message_type::result, 3, 1, block::of(pattern(wire::max_frame_payload + 17, 4)));
  rig.run_until([&] { return rig.at_right().messages.size() == 3; });
  EXPECT_EQ(as_text(rig.at_right().messages[0].payload), "hello");
  EXPECT_TRUE(rig.at_right().messages[1].payload.empty());
  EXPECT_EQ(rig.at_right().messages[2].payload, pattern(wire::max_frame_payload + 17, 4));
}

TEST(Channel, BothDirectionsAtOnce) {
  channel_rig rig;
  rig.left().send(message_type::submit, 1, 1, block::of(pattern(3'000'000, 5)));
  rig.right().send(message_type::result, 1, 1, block::of(pattern(2'000'000, 6)));
  rig.run_until([&] { return rig.at_right().messages.size() == 1 && rig.at_left().messages.size() == 1; });
  EXPECT_EQ(rig.at_right().messages[0].payload, pattern(3'000'000, 5));
  EXPECT_EQ(rig.at_left().messages[0].payload, pattern(2'000'000, 6));
}

TEST(Channel, EndsWhenThePeerCloses) {
  channel_rig rig;
  rig.right().close();
  rig.run_until([&] { return rig.left_ended() && rig.right_ended(); });
}

TEST(Channel, FlushCompletesWhenAllIsWritten) {
  channel_rig rig;
  rig.left().send(message_type::goodbye, 0, 0, block::of(pattern(600'000, 7)));
  bool flushed = false;
  net::asio::co_spawn(rig.context(), rig.left().flush(),
                      [&](const std::exception_ptr& failure) { flushed = failure == nullptr; });
  rig.run_until([&] { return flushed; });
  EXPECT_EQ(rig.left().queued_bytes(), 0U);
}

TEST(Channel, FlushFailsWhenTheChannelEndsFirst) {
  channel_rig rig;
  rig.left().send(message_type::goodbye, 0, 0, block::of(pattern(50'000'000, 7)));
  std::optional<bool> failed;
  net::asio::co_spawn(rig.context(), rig.left().flush(),
                      [&](const std::exception_ptr& failure) { failed = failure != nullptr; });
  rig.run_until([&] { return rig.at_right().bytes_seen > 0; });
  rig.left().close();
  rig.run_until([&] { return failed.has_value(); });
  EXPECT_TRUE(*failed);
}

TEST(Channel, TellsWhenItIsFullAndWhenItIsNotAnyMore) {
  channel_rig rig;
  EXPECT_FALSE(rig.left().is_full());
  rig.left().send(message_type::result, 1, 1, block::of(pattern(1'000'000, 8)));
  EXPECT_TRUE(rig.left().is_full());
  rig.run_until([&] { return rig.at_left().writable > 0; });
  EXPECT_FALSE(rig.left().is_full());
}

// --- failures --------------------------------------------------------------------------------------------------------

/// Sends a bit of everything both ways with an end that fails at its n-th operation. True if all of it arrived.
bool exchange_with_failure_at(std::size_t n) {
  boost::beast::test::fail_count fails(n);
  channel_rig rig(rig_options{.left_fails = &fails});
  rig.left().send(message_type::submit, 1, 1, as_bytes("small"));
  rig.left().send(message_type::submit, 2, 1, block::of(pattern(700'000, 9)));
  rig.right().send(message_type::result, 1, 1, as_bytes("answer"));
  rig.right().send(message_type::result, 2, 1, block::of(pattern(600'000, 10)));
  const auto arrived = [&] { return rig.at_right().messages.size() == 2 && rig.at_left().messages.size() == 2; };
  rig.run_until([&] { return arrived() || rig.left_ended(); });
  if (!arrived()) rig.run_until([&] { return rig.right_ended(); });  // one end's failure ends the other
  for (const auto& m : rig.at_right().messages) {
    EXPECT_EQ(m.payload.size(), m.head.job == 1 ? 5U : 700'000U) << "half a message after failing at " << n;
  }
  return arrived() && !rig.left_ended();
}

TEST(Channel, FailsCleanlyAtEveryOperation) {
  constexpr std::size_t more_than_enough = 10'000;
  std::size_t n = 0;
  while (n < more_than_enough && !exchange_with_failure_at(n)) ++n;
  EXPECT_GT(n, 4U);
  EXPECT_LT(n, more_than_enough);
}

// --- hostile peers ---------------------------------------------------------------------------------------------------

/// The first frame of several that will carry `whole` bytes: `part` of them here.
bytes first_frame(std::uint64_t whole, std::size_t part, std::uint64_t job) {
  bytes out(wire::frame_header_size + wire::message_size_bytes);
  wire::encode_first_of_several({0, message_type::result, 0, 1, job}, part, whole, out.data());
  out.resize(out.size() + part);
  return out;
}

bytes frame(std::uint32_t length, std::uint8_t type, std::uint8_t flags, std::uint64_t job, std::size_t payload) {
  bytes out;
  writer w(out);
  w.u32(length);
  w.u8(type);
  w.u8(flags);
  w.u16(1);
  w.u64(job);
  out.resize(out.size() + payload);
  return out;
}

TEST(ChannelHostile, ALengthAboveTheLimitEndsItBeforeAnythingIsAllocated) {
  channel_rig rig(rig_options{.raw_left = true});
  rig.write_raw(frame(wire::max_frame_payload + 1, 8, 0, 1, 0));
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_TRUE(rig.at_right().messages.empty());
}

TEST(ChannelHostile, AReservedFlagEndsIt) {
  channel_rig rig(rig_options{.raw_left = true});
  rig.write_raw(frame(0, 8, 0x80, 1, 0));
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_TRUE(rig.at_right().messages.empty());
}

TEST(ChannelHostile, AnUnknownTypeIsDeliveredForItsReceiverToAnswer) {
  channel_rig rig(rig_options{.raw_left = true});
  rig.write_raw(frame(3, 200, 0, 0, 3));
  rig.run_until([&] { return !rig.at_right().messages.empty(); });
  EXPECT_EQ(static_cast<int>(rig.at_right().messages[0].head.type), 200);
  EXPECT_FALSE(rig.right_ended());
}

TEST(ChannelHostile, IncompleteMessagesAreBoundedInAll) {
  net::channel::limits limits;
  limits.assembling_bytes = 1'000'000;
  channel_rig rig(rig_options{.raw_left = true, .right_limits = limits});
  for (std::uint64_t job = 1; job <= 8; ++job) rig.write_raw(first_frame(200'001, 200'000, job));
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_TRUE(rig.at_right().messages.empty());
}

TEST(ChannelHostile, EmptyBeginningsOfManyMessagesAreBoundedToo) {
  net::channel::limits limits;
  limits.assembling_bytes = 1'000'000;
  channel_rig rig(rig_options{.raw_left = true, .right_limits = limits});
  bytes flood;
  for (std::uint64_t job = 1; job <= 100'000; ++job) {
    const bytes one = first_frame(1, 0, job);
    flood.insert(flood.end(), one.begin(), one.end());
  }
  rig.write_raw(flood);
  rig.run_until([&] { return rig.right_ended(); });
}

TEST(ChannelHostile, AnnouncedBytesCountBeforeThereIsMemoryForThem) {
  net::channel::limits limits;
  limits.assembling_bytes = 1'000'000;
  channel_rig rig(rig_options{.raw_left = true, .right_limits = limits});
  rig.write_raw(first_frame(600'000, 100, 1));
  rig.run_until([&] { return rig.at_right().placed_sizes.size() == 1; });
  rig.write_raw(first_frame(600'000, 100, 2));
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_THAT(rig.at_right().placed_sizes, testing::ElementsAre(600'000U));
}

TEST(ChannelHostile, AMessageThatBreaksItsSizeEndsIt) {
  const auto more = wire::flag_more;
  const auto joined = [](bytes a, const bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  const std::map<std::string, bytes> all = {
      {"no size", frame(100, 8, more, 1, 100)},
      {"a size and nothing else to come", frame(100, 8, wire::flag_sized, 1, 100)},
      {"too short for its size", frame(7, 8, more | wire::flag_sized, 1, 7)},
      {"a size above the limit", first_frame(wire::max_message_bytes + 1, 100, 1)},
      {"a size of 2^64 - 1", first_frame(~0ULL, 100, 1)},
      {"no more than its first frame", first_frame(100, 100, 1)},
      {"ends short", joined(first_frame(1000, 100, 1), frame(899, 8, 0, 1, 899))},
      {"goes beyond", joined(first_frame(1000, 100, 1), frame(901, 8, 0, 1, 901))},
      {"goes beyond with more to come", joined(first_frame(1000, 100, 1), frame(901, 8, more, 1, 901))},
      {"begins twice", joined(first_frame(1000, 100, 1), first_frame(1000, 100, 1))},
      {"ends short by a frame of nothing", joined(first_frame(1000, 100, 1), frame(0, 8, 0, 1, 0))},
  };
  for (const auto& [what, sent] : all) {
    channel_rig rig(rig_options{.raw_left = true});
    rig.write_raw(sent);
    rig.run_until([&, what = what] { return rig.right_ended() || !rig.at_right().messages.empty(); });
    EXPECT_TRUE(rig.right_ended()) << what;
    EXPECT_TRUE(rig.at_right().messages.empty()) << what;
  }
}

TEST(ChannelHostile, EndInTheMiddleOfAFrameIsAnError) {
  channel_rig rig(rig_options{.raw_left = true});
  bytes half = frame(100, 8, 0, 1, 50);
  rig.write_raw(half);
  rig.run_until([&] { return rig.at_right().bytes_seen == half.size(); });
  rig.close_raw();
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_TRUE(rig.at_right().messages.empty());
}

TEST(ChannelHostile, RandomBytesNeverDoHarm) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    net::channel::limits limits;
    limits.assembling_bytes = 100'000;
    channel_rig rig(rig_options{.raw_left = true, .right_limits = limits});
    bytes noise = pattern(4096, seed);
    if (seed % 2 == 0) {
      for (std::size_t i = 0; i + 2 < noise.size(); i += 64)
        noise[i] = noise[i + 1] = noise[i + 2] = 0;  // plausible lengths
    }
    rig.write_raw(noise);
    rig.run_until([&] { return rig.right_ended() || rig.at_right().bytes_seen == noise.size(); });
    rig.close_raw();
    rig.run_until([&] { return rig.right_ended(); });
  }
}

}  // namespace
}  // namespace pp::test
