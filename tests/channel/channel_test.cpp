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
    rig.left().send(message_type::result, 7, 2, bytes(sent));
    rig.run_until([&] { return !rig.at_right().messages.empty(); });
    ASSERT_EQ(rig.at_right().messages.size(), 1U);
    EXPECT_EQ(rig.at_right().messages[0].payload, sent) << size;
    EXPECT_EQ(rig.at_right().messages[0].head.attempt, 2);
  }
}

TEST(Channel, SharedBytesAreSentBehindTheirFirstPart) {
  channel_rig rig;
  auto owner = std::make_shared<bytes>(pattern(1'000'000, 2));
  const std::weak_ptr<bytes> watch = owner;
  const bytes sent = *owner;
  rig.left().send_shared(message_type::submit, 9, 1, bytes{1, 2, 3}, *owner, owner);
  owner.reset();
  rig.run_until([&] { return !rig.at_right().messages.empty(); });
  bytes expected{1, 2, 3};
  expected.insert(expected.end(), sent.begin(), sent.end());
  EXPECT_EQ(rig.at_right().messages[0].payload, expected);
  rig.run_until([&] { return watch.expired(); });
}

TEST(Channel, AHeartbeatDoesNotWaitBehindALargeMessage) {
  channel_rig rig;
  rig.left().send(message_type::result, 1, 1, pattern(8'000'000, 3));
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
    rig.left().send(message_type::result, job, 1, bytes(sent[job]));
  }
  rig.run_until([&] { return rig.at_right().messages.size() == 5; });
  for (const auto& m : rig.at_right().messages) EXPECT_EQ(m.payload, sent[m.head.job]) << m.head.job;
}

TEST(Channel, ReadsOneByteAtATime) {
  channel_rig rig(rig_options{.right_read_size = 1});
  rig.left().send(message_type::submit, 1, 1, as_bytes("hello"));
  rig.left().send(message_type::submit, 2, 1, byte_view{});
  rig.left().send(message_type::result, 3, 1, pattern(wire::max_frame_payload + 17, 4));
  rig.run_until([&] { return rig.at_right().messages.size() == 3; });
  EXPECT_EQ(as_text(rig.at_right().messages[0].payload), "hello");
  EXPECT_TRUE(rig.at_right().messages[1].payload.empty());
  EXPECT_EQ(rig.at_right().messages[2].payload, pattern(wire::max_frame_payload + 17, 4));
}

TEST(Channel, BothDirectionsAtOnce) {
  channel_rig rig;
  rig.left().send(message_type::submit, 1, 1, pattern(3'000'000, 5));
  rig.right().send(message_type::result, 1, 1, pattern(2'000'000, 6));
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
  rig.left().send(message_type::goodbye, 0, 0, pattern(600'000, 7));
  bool flushed = false;
  net::asio::co_spawn(rig.context(), rig.left().flush(),
                      [&](const std::exception_ptr& failure) { flushed = failure == nullptr; });
  rig.run_until([&] { return flushed; });
  EXPECT_EQ(rig.left().queued_bytes(), 0U);
}

TEST(Channel, FlushFailsWhenTheChannelEndsFirst) {
  channel_rig rig;
  rig.left().send(message_type::goodbye, 0, 0, pattern(50'000'000, 7));
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
  rig.left().send(message_type::result, 1, 1, pattern(1'000'000, 8));
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
  rig.left().send(message_type::submit, 2, 1, pattern(700'000, 9));
  rig.right().send(message_type::result, 1, 1, as_bytes("answer"));
  rig.right().send(message_type::result, 2, 1, pattern(600'000, 10));
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
  for (std::uint64_t job = 1; job <= 8; ++job) rig.write_raw(frame(200'000, 8, wire::flag_more, job, 200'000));
  rig.run_until([&] { return rig.right_ended(); });
  EXPECT_TRUE(rig.at_right().messages.empty());
}

TEST(ChannelHostile, EmptyBeginningsOfManyMessagesAreBoundedToo) {
  net::channel::limits limits;
  limits.assembling_bytes = 1'000'000;
  channel_rig rig(rig_options{.raw_left = true, .right_limits = limits});
  bytes flood;
  for (std::uint64_t job = 1; job <= 100'000; ++job) {
    const bytes one = frame(0, 8, wire::flag_more, job, 0);
    flood.insert(flood.end(), one.begin(), one.end());
  }
  rig.write_raw(flood);
  rig.run_until([&] { return rig.right_ended(); });
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
