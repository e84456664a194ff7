// Freshness of discovery datagrams, with time moved by hand.
#include "discovery/replay.hpp"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace pp::discovery {
namespace {

using namespace std::chrono_literals;
using verdict = replay_guard::verdict;
using wire::announce_type;

constexpr std::int64_t wall = 1'795'000'000'000;

template <std::size_t N = 16>
std::array<std::uint8_t, N> id(std::uint8_t first, std::uint8_t second = 0) {
  std::array<std::uint8_t, N> out{};
  out[0] = first;
  out[1] = second;
  return out;
}

struct receiver {
  replay_guard guard;
  time_point now = time_point{} + 1h;

  wire::announce make(announce_type type, std::uint64_t seq, std::uint8_t node = 1, std::uint8_t boot = 1) const {
    wire::announce m;
    m.type = type;
    m.node_id = id(node);
    m.boot_id = id(boot);
    m.seq = seq;
    m.unix_ms = wall;
    return m;
  }
  verdict announce(std::uint64_t seq, std::uint8_t boot = 1, std::int64_t unix_ms = wall) {
    auto m = make(announce_type::announce, seq, 1, boot);
    m.unix_ms = unix_ms;
    return guard.check(m, wall, now);
  }
  verdict reply(std::uint64_t seq, const nonce& n, std::uint8_t boot = 1, std::int64_t unix_ms = wall) {
    auto m = make(announce_type::reply, seq, 1, boot);
    m.nonce = n;
    m.unix_ms = unix_ms;
    return guard.check(m, wall, now);
  }
};

TEST(SequenceWindow, AgreesWithAListOfAllNumbersSeen) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::uint64_t highest = 1000;
    sequence_window window(highest);
    std::set<std::uint64_t> seen{highest};
    for (int i = 0; i < 300; ++i) {
      const auto seq = highest - 80 + random() % (round % 2 == 0 ? 90 : 400);
      const bool expected = seq > highest || (highest - seq < 64 && !seen.contains(seq));
      ASSERT_EQ(window.is_new(seq), expected) << "seq " << seq << " highest " << highest << " round " << round;
      if (!expected) continue;
      window.accept(seq);
      seen.insert(seq);
      highest = std::max(highest, seq);
    }
  }
}

TEST(SequenceWindow, SurvivesTheLargestNumbers) {
  sequence_window window(0);
  window.accept(~std::uint64_t{0});
  EXPECT_FALSE(window.is_new(~std::uint64_t{0}));
  EXPECT_FALSE(window.is_new(0));
  EXPECT_TRUE(window.is_new(~std::uint64_t{0} - 63));
  EXPECT_FALSE(window.is_new(~std::uint64_t{0} - 64));
}

TEST(ReplayGuard, AcceptsEachSequenceNumberOnce) {
  receiver r;
  EXPECT_EQ(r.announce(7), verdict::fresh);
  EXPECT_EQ(r.announce(7), verdict::replayed);
  EXPECT_EQ(r.announce(8), verdict::fresh);
}

TEST(ReplayGuard, AcceptsLateOnesWithinTheWindow) {
  receiver r;
  EXPECT_EQ(r.announce(100), verdict::fresh);
  EXPECT_EQ(r.announce(37), verdict::fresh);
  EXPECT_EQ(r.announce(37), verdict::replayed);
  EXPECT_EQ(r.announce(36), verdict::replayed) << "64 behind: nobody remembers";
}

TEST(ReplayGuard, ANewBootNeedsALaterClock) {
  receiver r;
  EXPECT_EQ(r.announce(50, 1, wall), verdict::fresh);
  EXPECT_EQ(r.announce(51, 2, wall), verdict::replayed);
  EXPECT_EQ(r.announce(1, 2, wall + 1), verdict::fresh);
  EXPECT_EQ(r.announce(52, 1, wall), verdict::replayed) << "the boot before the last one comes from a recording";
}

TEST(ReplayGuard, ARejectedDatagramLeavesNoTrace) {
  receiver r;
  EXPECT_EQ(r.announce(1, 1, wall), verdict::fresh);
  EXPECT_EQ(r.announce(9, 2, wall - 1), verdict::replayed);
  EXPECT_EQ(r.announce(5, 1, wall + 121'000), verdict::wrong_clock);
  EXPECT_EQ(r.announce(5, 1, wall), verdict::fresh);
}

TEST(ReplayGuard, ClocksMayDifferByTwoMinutesEitherWay) {
  for (const auto type : {announce_type::announce, announce_type::goodbye, announce_type::query}) {
    for (const auto& [offset, expected] : {std::pair{120'000, verdict::fresh},
                                           {-120'000, verdict::fresh},
                                           {120'001, verdict::wrong_clock},
                                           {-120'001, verdict::wrong_clock}}) {
      receiver r;
      auto m = r.make(type, 1);
      m.unix_ms = wall + offset;
      EXPECT_EQ(r.guard.check(m, wall, r.now), expected) << offset;
    }
  }
}

TEST(ReplayGuard, TheWorstClocksDoNotOverflow) {
  receiver r;
  EXPECT_EQ(r.announce(1, 1, std::numeric_limits<std::int64_t>::min()), verdict::wrong_clock);
  EXPECT_EQ(r.announce(1, 1, std::numeric_limits<std::int64_t>::max()), verdict::wrong_clock);
}

TEST(ReplayGuard, AReplyNeedsAQueryOfOurs) {
  receiver r;
  EXPECT_EQ(r.reply(1, id(9)), verdict::unasked);
  r.guard.on_query_sent(id(9), r.now);
  EXPECT_EQ(r.reply(1, id(9)), verdict::fresh);
}

TEST(ReplayGuard, AReplyMayTakeFiveSecondsAndNoMore) {
  receiver r;
  r.guard.on_query_sent(id(9), r.now);
  r.now += 5s;
  EXPECT_EQ(r.reply(1, id(9)), verdict::fresh);
  r.now += 1ms;
  EXPECT_EQ(r.reply(2, id(9)), verdict::unasked);
}

TEST(ReplayGuard, AReplyIsAcceptedWithAnyClock) {
  receiver r;
  r.guard.on_query_sent(id(9), r.now);
  EXPECT_EQ(r.reply(1, id(9), 1, 0), verdict::fresh) << "1970";
  r.guard.on_query_sent(id(8), r.now);
  EXPECT_EQ(r.reply(1, id(8), 2, -5), verdict::fresh) << "restarted with its clock set back";
}

TEST(ReplayGuard, EachNodeAnswersANonceOnce) {
  receiver r;
  r.guard.on_query_sent(id(9), r.now);
  EXPECT_EQ(r.reply(1, id(9), 1), verdict::fresh);
  EXPECT_EQ(r.reply(2, id(9), 1), verdict::replayed);
  EXPECT_EQ(r.reply(3, id(9), 2), verdict::replayed) << "an answer of another boot to the same question";
  auto other = r.make(announce_type::reply, 1, 2);
  other.nonce = id(9);
  EXPECT_EQ(r.guard.check(other, wall, r.now), verdict::fresh) << "another node";
}

TEST(ReplayGuard, TheClockCanBePutRightAfterAReplyFromTheFuture) {
  receiver r;
  r.guard.on_query_sent(id(9), r.now);
  EXPECT_EQ(r.reply(1, id(9), 1, wall + 3'600'000), verdict::fresh);
  EXPECT_EQ(r.announce(1, 2), verdict::replayed);
  r.guard.on_query_sent(id(8), r.now);
  EXPECT_EQ(r.reply(2, id(8), 2), verdict::fresh);
  EXPECT_EQ(r.announce(3, 2), verdict::fresh);
}

TEST(ReplayGuard, RemembersTheSendersHeardOfLast) {
  replay_guard guard({.nodes = 3});
  receiver r;
  for (std::uint8_t node = 1; node <= 3; ++node) guard.check(r.make(announce_type::announce, 1, node), wall, r.now);
  EXPECT_EQ(guard.check(r.make(announce_type::announce, 2, 1), wall, r.now), verdict::fresh);
  EXPECT_EQ(guard.check(r.make(announce_type::announce, 1, 4), wall, r.now), verdict::fresh);
  EXPECT_EQ(guard.senders(), 3U);
  EXPECT_EQ(guard.check(r.make(announce_type::announce, 2, 1), wall, r.now), verdict::replayed) << "1 was used since";
  EXPECT_EQ(guard.check(r.make(announce_type::announce, 1, 2), wall, r.now), verdict::fresh) << "2 was forgotten";
}

TEST(ReplayGuard, ManyOpenQueriesForgetTheOldest) {
  replay_guard guard({.open_queries = 2});
  receiver r;
  for (std::uint8_t n = 1; n <= 3; ++n) guard.on_query_sent(id(n), r.now);
  auto m = r.make(announce_type::reply, 1);
  m.nonce = id(1);
  EXPECT_EQ(guard.check(m, wall, r.now), verdict::unasked);
  m.nonce = id(2);
  EXPECT_EQ(guard.check(m, wall, r.now), verdict::fresh);
}

TEST(ReplyLimits, AnswerEachNonceOnce) {
  reply_limits limits;
  EXPECT_TRUE(limits.may_answer(1, id(1), time_point{}));
  EXPECT_FALSE(limits.may_answer(1, id(1), time_point{} + 10s));
  EXPECT_FALSE(limits.may_answer(2, id(1), time_point{} + 10s)) << "also not to somebody else";
}

int answers_in(reply_limits& limits, std::uint32_t sources, time_point from, duration step, int count,
               std::uint8_t salt) {
  int answered = 0;
  for (int i = 0; i < count; ++i) {
    nonce n = id(salt);
    store_big_endian<std::uint32_t>(n.data() + 4, static_cast<std::uint32_t>(i));
    if (limits.may_answer(static_cast<std::uint32_t>(i) % sources, n, from + i * step)) ++answered;
  }
  return answered;
}

TEST(ReplyLimits, TwentyPerSecondAndSource) {
  reply_limits limits;
  EXPECT_EQ(answers_in(limits, 1, time_point{}, 1ms, 999, 1), 20);
  EXPECT_EQ(answers_in(limits, 1, time_point{} + 2s, 10ms, 500, 2), 100) << "five seconds";
}

TEST(ReplyLimits, AHundredPerSecondInAll) {
  reply_limits limits;
  EXPECT_EQ(answers_in(limits, 50, time_point{}, 1us, 3000, 1), 100);
  EXPECT_EQ(answers_in(limits, 50, time_point{} + 2s, 1us, 3000, 2), 100);
}

TEST(ReplyLimits, AQuietSourceIsNotPunishedForALoudOne) {
  reply_limits limits;
  answers_in(limits, 1, time_point{}, 1us, 1000, 1);
  EXPECT_TRUE(limits.may_answer(77, id(200), time_point{} + 1ms));
}

}  // namespace
}  // namespace pp::discovery
