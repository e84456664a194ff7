// One ring between two ends in this process: order, wrapping, room, and what a hostile other side can write.
#include "worker/ring.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "worker/arena.hpp"

namespace pp::worker {
namespace {

struct ring_lab {
  std::unique_ptr<std::uint8_t[]> memory = std::make_unique<std::uint8_t[]>(ring_size);
  std::atomic<std::uint64_t> head{0}, tail{0};
  ring_writer writer{memory.get(), tail, head};
  ring_reader reader{memory.get(), head, tail};

  bool put(std::uint64_t sequence, std::size_t size) {
    const bytes payload(size, static_cast<std::uint8_t>(sequence));
    ring_frame frame;
    frame.sequence = sequence;
    frame.length = static_cast<std::uint32_t>(size);
    return writer.put(frame, {payload});
  }
  /// Checks that the next frame is this one.
  void expect(std::uint64_t sequence, std::size_t size) {
    ring_frame frame;
    byte_view payload;
    ASSERT_EQ(reader.next(frame, payload), ring_reader::status::frame);
    ASSERT_EQ(frame.sequence, sequence);
    ASSERT_EQ(payload.size(), size);
    for (const auto b : payload) ASSERT_EQ(b, static_cast<std::uint8_t>(sequence));
    reader.pass();
  }
  void write_raw(std::uint64_t at, const ring_frame& frame) { std::memcpy(memory.get() + at, &frame, sizeof frame); }
  ring_reader::status next() {
    ring_frame frame;
    byte_view payload;
    return reader.next(frame, payload);
  }
};

TEST(Ring, GivesFramesInOrderAcrossItsEnd) {
  ring_lab lab;
  std::mt19937 random(7);
  std::uint64_t put = 0, taken = 0;
  std::vector<std::size_t> sizes;
  while (taken < 20'000) {
    const std::size_t size = random() % (random() % 8 == 0 ? largest_in_ring : 200);
    if (random() % 2 == 0 && lab.writer.takes(size)) {
      ASSERT_TRUE(lab.put(put++, size));
      sizes.push_back(size);
    } else if (taken < put) {
      lab.expect(taken, sizes[taken]);
      ++taken;
    }
  }
  while (taken < put) lab.expect(taken, sizes[taken]), ++taken;
  EXPECT_EQ(lab.next(), ring_reader::status::empty);
}

TEST(Ring, AFrameStaysTheNextOneUntilItIsPassed) {
  ring_lab lab;
  lab.put(5, 10);
  EXPECT_EQ(lab.next(), ring_reader::status::frame);
  lab.expect(5, 10);
  EXPECT_TRUE(lab.reader.is_empty());
}

TEST(Ring, AlwaysHasRoomForTheHeadersOfAllJobsOnTheRoad) {
  ring_lab lab;
  std::uint64_t put = 0;
  for (std::size_t size : {largest_in_ring, std::size_t{100}, std::size_t{0}}) {
    while (lab.writer.takes(size) && put < claim_slots / 2) lab.put(put++, size);
  }
  for (; put < claim_slots; ++put) {
    ring_frame frame;
    frame.sequence = put;
    frame.where = ring_frame::place::socket;
    ASSERT_TRUE(lab.writer.put(frame, {})) << put;
  }
}

TEST(Ring, RefusesPayloadsThatAreTooLongForIt) {
  ring_lab lab;
  EXPECT_TRUE(lab.writer.takes(largest_in_ring));
  EXPECT_FALSE(lab.writer.takes(largest_in_ring + 1));
}

TEST(Ring, AReaderThatPassesNothingIsNoticed) {
  ring_lab lab;
  int put = 0;
  while (put < 100'000 && lab.put(static_cast<std::uint64_t>(put), 0)) ++put;
  EXPECT_EQ(put, static_cast<int>(ring_size / ring_header_size));
}

TEST(Ring, AHeadThatMakesNoSenseIsNoRoom) {
  ring_lab lab;
  while (lab.writer.takes(1000)) lab.put(1, 1000);
  const std::uint64_t tail = lab.tail;
  for (const std::uint64_t hostile : {~std::uint64_t{0}, std::uint64_t{1}, tail + 32, tail + 1, std::uint64_t{33}}) {
    lab.head = hostile;
    EXPECT_FALSE(lab.writer.takes(1000)) << hostile;
    EXPECT_FALSE(lab.writer.is_sane()) << hostile;
  }
  lab.head = tail;
  EXPECT_TRUE(lab.writer.takes(1000));
  lab.head = 0;
  EXPECT_FALSE(lab.writer.is_sane()) << "it went backwards";
}

TEST(Ring, HostileTailsAndFramesAreBrokenNotFollowed) {
  using place = ring_frame::place;
  const auto frame_of = [](std::uint32_t length, place where) {
    ring_frame f;
    f.length = length;
    f.where = where;
    return f;
  };
  struct hostile {
    const char* what;
    std::uint64_t tail;
    ring_frame frame;
  };
  const hostile all[] = {
      {"a tail beyond the ring", ring_size + 32, frame_of(0, place::here)},
      {"a tail far beyond", ~31ULL, frame_of(0, place::here)},
      {"a tail between frames", 33, frame_of(0, place::here)},
      {"a payload longer than what was published", 64, frame_of(64, place::here)},
      {"a payload longer than the ring", 64, frame_of(0xFFFFFFFF, place::here)},
      {"a skip that does not end at the end", 64, frame_of(0, place::skip)},
      {"a skip longer than the ring", 64, frame_of(0xFFFFFFFF, place::skip)},
      {"a place that does not exist", 64, frame_of(0, static_cast<place>(9))},
  };
  for (const auto& h : all) {
    ring_lab lab;
    lab.write_raw(0, h.frame);
    lab.tail = h.tail;
    EXPECT_EQ(lab.next(), ring_reader::status::broken) << h.what;
  }
}

TEST(Ring, ATailThatGoesBackIsBroken) {
  ring_lab lab;
  lab.put(1, 100);
  lab.expect(1, 100);
  lab.tail = 0;
  EXPECT_EQ(lab.next(), ring_reader::status::broken);
}

TEST(Ring, RandomBytesNeverLeadOutside) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    ring_lab lab;
    for (std::size_t i = 0; i < ring_size; i += 8) {
      const auto word = random() & (round % 2 == 0 ? ~0ULL : 0x0303'0000'0000'3FFFULL);
      std::memcpy(lab.memory.get() + i, &word, sizeof word);
      if (round % 16 != 0 && i > 4096) break;
    }
    lab.tail = random() % (2 * ring_size) / 32 * 32;
    for (int i = 0; i < 100; ++i) {
      ring_frame frame;
      byte_view payload;
      if (lab.reader.next(frame, payload) != ring_reader::status::frame) break;
      ASSERT_TRUE(payload.empty() || (payload.data() >= lab.memory.get() &&
                                      payload.data() + payload.size() <= lab.memory.get() + ring_size));
      lab.reader.pass();
    }
  }
}

TEST(Ring, TwoThreadsSeeWholeFramesOnly) {
  ring_lab lab;
  constexpr std::uint64_t count = 200'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < count;) {
      const std::size_t size = i % 97;
      if (lab.writer.takes(size)) {
        lab.put(i++, size);
      } else {
        std::this_thread::yield();
      }
    }
  });
  for (std::uint64_t i = 0; i < count && !::testing::Test::HasFatalFailure();) {
    if (lab.reader.is_empty()) {
      std::this_thread::yield();
      continue;
    }
    lab.expect(i, i % 97);
    ++i;
  }
  writer.join();
}

TEST(Arena, PlacesNeverOverlapAndTheLowEndIsUsedFirst) {
  constexpr std::uint64_t size = 1U << 20U;
  arena a(size);
  std::mt19937 random(3);
  std::map<std::uint64_t, std::uint64_t> mine;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      const std::uint64_t length = 1 + random() % 50'000;
      const auto at = a.take(length);
      if (!at) continue;
      ASSERT_LE(*at + length, size);
      ASSERT_EQ(*at % arena::alignment, 0U);
      const auto above = mine.lower_bound(*at);
      ASSERT_TRUE(above == mine.end() || *at + length <= above->first);
      ASSERT_TRUE(above == mine.begin() || std::prev(above)->first + std::prev(above)->second <= *at);
      mine[*at] = length;
    } else if (!mine.empty()) {
      const auto which = std::next(mine.begin(), static_cast<std::ptrdiff_t>(random() % mine.size()));
      a.give_back(which->first);
      mine.erase(which);
    }
  }
  for (const auto& [at, length] : mine) a.give_back(at);
  EXPECT_TRUE(a.is_empty());
  EXPECT_EQ(a.take(size), 0U);
  EXPECT_EQ(a.take(1), std::nullopt);
}

TEST(Arena, GivesNothingForNothingAndForTooMuch) {
  arena a(4096);
  EXPECT_EQ(a.take(0), std::nullopt);
  EXPECT_EQ(a.take(4097), std::nullopt);
  EXPECT_EQ(a.take(~0ULL), std::nullopt);
}

}  // namespace
}  // namespace pp::worker
