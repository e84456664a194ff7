#include "worker/stream_road.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <vector>

#include "net/task_group.hpp"
#include "tests/support/wait.hpp"
#include "wire/message.hpp"

namespace pp::worker {
namespace {

struct keeping_events final : road_events {
  struct result {
    std::uint64_t sequence;
    std::uint16_t attempt;
    bytes payload;
  };
  void on_ready() override { ++ready; }
  void on_unfit(const std::string& reason) override { unfit = reason; }
  void on_result(std::uint64_t sequence, std::uint16_t attempt, handed_bytes payload) override {
    results.push_back({sequence, attempt, bytes(payload.view.begin(), payload.view.end())});
  }
  void on_batch_end() override { ++batches; }
  void on_broken(const std::string& reason) override { is_broken = true, broken = reason; }

  int ready = 0, batches = 0;
  std::string unfit, broken;
  bool is_broken = false;
  std::vector<result> results;
};

/// A road whose worker is the test itself, with the raw end of the socket.
class road_lab {
 public:
  road_lab() : road(io.get_executor()), tasks_(io.get_executor()) { tasks_.spawn("road", road.run(events)); }
  ~road_lab() {
    road.close();
    run_until([&] { return tasks_.size() == 0; });
  }

  void run_until(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + test::generous;
    while (!condition()) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(5));
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "it did not happen";
        return;
      }
    }
  }

  void say(byte_view raw) {
    for (std::size_t at = 0; at < raw.size();) {
      const auto sent = ::send(road.worker_ends().pipe, raw.data() + at, raw.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) at += static_cast<std::size_t>(sent);
      io.restart();
      io.poll();
      if (events.is_broken) return;
    }
  }
  void say(wire::message_type type, std::uint64_t job, byte_view payload, std::uint8_t flags = 0) {
    bytes raw(wire::frame_header_size);
    wire::encode_frame_header({static_cast<std::uint32_t>(payload.size()), type, flags, 3, job}, raw.data());
    raw.insert(raw.end(), payload.begin(), payload.end());
    say(raw);
  }
  /// The first of several frames of a result of `whole` bytes.
  void say_first(std::uint64_t job, std::uint64_t whole, byte_view part) {
    bytes raw(wire::frame_header_size + wire::message_size_bytes);
    wire::encode_first_of_several({0, wire::message_type::result, 0, 3, job}, part.size(), whole, raw.data());
    raw.insert(raw.end(), part.begin(), part.end());
    say(raw);
  }
  /// All that the worker can read now.
  bytes heard() {
    bytes all(1U << 20U);
    const auto got = ::recv(road.worker_ends().pipe, all.data(), all.size(), MSG_DONTWAIT);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return all;
  }

  net::io_context io;
  keeping_events events;
  stream_road road;

 private:
  net::task_group tasks_;
};

bytes some(std::size_t size) { return bytes(size, 0x42); }

TEST(WorkerRoad, TellsReadyUnfitAndResults) {
  road_lab lab;
  lab.say(wire::message_type::ready, 0, {});
  bytes unfit;
  wire::encode_unfit({0, "wrong machine"}, unfit);
  lab.say(wire::message_type::unfit, 0, unfit);
  lab.say(wire::message_type::result, 8, some(20));
  lab.run_until([&] { return !lab.events.results.empty(); });
  EXPECT_EQ(lab.events.ready, 1);
  EXPECT_EQ(lab.events.unfit, "wrong machine");
  EXPECT_EQ(lab.events.results[0].sequence, 7U);
  EXPECT_EQ(lab.events.results[0].attempt, 3);
  EXPECT_EQ(lab.events.results[0].payload, some(20));
}

TEST(WorkerRoad, PutsResultsOfSeveralFramesTogether) {
  road_lab lab;
  const std::size_t most = wire::max_frame_payload;
  lab.say_first(1, 2 * most + 5, some(most - wire::message_size_bytes));
  lab.say(wire::message_type::result, 1, some(most), wire::flag_more);
  lab.say(wire::message_type::result, 1, some(wire::message_size_bytes), wire::flag_more);
  lab.say(wire::message_type::result, 1, some(5));
  lab.say(wire::message_type::result, 2, some(9));
  lab.run_until([&] { return lab.events.results.size() == 2; });
  EXPECT_EQ(lab.events.results[0].payload.size(), 2 * wire::max_frame_payload + 5);
  EXPECT_EQ(lab.events.results[1].payload.size(), 9U);
}

TEST(WorkerRoad, ReadsFramesThatArriveByteByByte) {
  road_lab lab;
  bytes raw(wire::frame_header_size + 10);
  wire::encode_frame_header({10, wire::message_type::result, 0, 1, 1}, raw.data());
  for (const auto b : raw) lab.say(byte_view(&b, 1));
  lab.run_until([&] { return lab.events.results.size() == 1; });
}

TEST(WorkerRoad, BytesThatMakeNoSenseEndItInWords) {
  struct nonsense {
    const char* what;
    std::function<void(road_lab&)> say;
    const char* words;
  };
  const std::vector<nonsense> all = {
      {"length above the limit", [](road_lab& l) { l.say(bytes(64, 0xFF)); }, "malformed frame"},
      {"a message of the wrong direction", [](road_lab& l) { l.say(wire::message_type::submit, 1, some(30)); },
       "no worker sends"},
      {"an unknown message", [](road_lab& l) { l.say(static_cast<wire::message_type>(200), 1, some(30)); },
       "no worker sends"},
      {"a result of no job", [](road_lab& l) { l.say(wire::message_type::result, 0, some(30)); }, "no job"},
      {"a result without its head", [](road_lab& l) { l.say(wire::message_type::result, 1, some(7)); },
       "malformed result"},
      {"two results mixed",
       [](road_lab& l) {
         l.say_first(1, 1000, some(30));
         l.say(wire::message_type::result, 2, some(30));
       },
       "mixed the frames"},
      {"several frames without a size",
       [](road_lab& l) { l.say(wire::message_type::result, 1, some(30), wire::flag_more); }, "without its size"},
      {"a size above the limit", [](road_lab& l) { l.say_first(1, wire::max_message_bytes + 1, some(30)); },
       "a size that cannot be"},
      {"more than its size",
       [](road_lab& l) {
         l.say_first(1, 100, some(30));
         l.say(wire::message_type::result, 1, some(71));
       },
       "beyond its size"},
      {"less than its size",
       [](road_lab& l) {
         l.say_first(1, 100, some(30));
         l.say(wire::message_type::result, 1, some(69));
       },
       "short of its size"},
  };
  for (const auto& n : all) {
    road_lab lab;
    n.say(lab);
    lab.run_until([&] { return lab.events.is_broken; });
    EXPECT_NE(lab.events.broken.find(n.words), std::string::npos) << n.what << ": " << lab.events.broken;
    EXPECT_TRUE(lab.events.results.empty()) << n.what;
  }
}

TEST(WorkerRoad, TheWorkersEndIsNoFault) {
  road_lab lab;
  lab.say(wire::message_type::result, 1, some(30));
  lab.road.release_worker_end();
  lab.run_until([&] { return lab.events.is_broken; });
  EXPECT_EQ(lab.events.broken, "");
  EXPECT_EQ(lab.events.results.size(), 1U) << "what was sent before still counts";
}

TEST(WorkerRoad, DrainTellsWhatIsStillOnIt) {
  road_lab lab;
  bytes raw;
  for (std::uint64_t job = 1; job <= 3000; ++job) {
    raw.resize(raw.size() + wire::frame_header_size + 10);
    wire::encode_frame_header({10, wire::message_type::result, 0, 1, job},
                              raw.data() + raw.size() - 10 - wire::frame_header_size);
  }
  ASSERT_EQ(::send(lab.road.worker_ends().pipe, raw.data(), raw.size(), MSG_DONTWAIT),
            static_cast<ssize_t>(raw.size()));
  lab.road.drain(lab.events);
  EXPECT_EQ(lab.events.results.size(), 3000U);
}

TEST(WorkerRoad, JoinsManyJobsInOneWriteAndWritesNothingBeforeFlush) {
  road_lab lab;
  for (std::uint64_t s = 0; s < 100; ++s) lab.road.send_job(s, 1, job_bytes(byte_view(some(50))));
  EXPECT_TRUE(lab.heard().empty());
  lab.road.flush();
  const auto all = lab.heard();
  ASSERT_EQ(all.size(), 100 * (wire::frame_header_size + 50));
  for (std::uint64_t s = 0; s < 100; ++s) {
    const auto head = wire::decode_frame_header(all.data() + s * (wire::frame_header_size + 50));
    ASSERT_TRUE(head);
    EXPECT_EQ(head->job, s + 1);
    EXPECT_EQ(head->type, wire::message_type::submit);
    EXPECT_EQ(lab.road.fate_of(s), claim::queued);
  }
}

TEST(WorkerRoad, LargeAndSmallJobsArriveWholeAndInOrderThroughAFullSocket) {
  road_lab lab;
  const std::vector<std::size_t> sizes = {
      10, 5U << 20U, 20, 300'000, job_bytes::largest_copied, job_bytes::largest_copied + 1, 7};
  for (std::size_t s = 0; s < sizes.size(); ++s)
    lab.road.send_job(s, 1, job_bytes(byte_view(bytes(sizes[s], static_cast<std::uint8_t>(s)))));
  lab.road.flush();
  std::size_t expected = 0;
  for (const auto size : sizes) {
    const std::size_t whole = size + (size > wire::max_frame_payload ? wire::message_size_bytes : 0);
    const std::size_t frames = (whole + wire::max_frame_payload - 1) / wire::max_frame_payload;
    expected += whole + frames * wire::frame_header_size;
  }
  bytes all = lab.heard();
  EXPECT_LT(all.size(), expected) << "the socket holds less than that";
  lab.run_until([&] {
    const auto more = lab.heard();
    all.insert(all.end(), more.begin(), more.end());
    return all.size() == expected;
  });
  std::vector<bytes> got(sizes.size());
  std::size_t current = 0;
  for (std::size_t at = 0; at < all.size();) {
    const auto head = wire::decode_frame_header(all.data() + at).value();
    ASSERT_EQ(head.job, current + 1) << "messages alternate";
    at += wire::frame_header_size;
    const std::size_t skipped = head.is_sized() ? wire::message_size_bytes : 0;
    if (head.is_sized()) {
      EXPECT_EQ(wire::decode_message_size(head, all.data() + at).value(), sizes[current]);
    }
    got[current].insert(got[current].end(), all.begin() + static_cast<std::ptrdiff_t>(at + skipped),
                        all.begin() + static_cast<std::ptrdiff_t>(at + head.length));
    at += head.length;
    if ((head.flags & wire::flag_more) == 0) ++current;
  }
  for (std::size_t s = 0; s < sizes.size(); ++s)
    EXPECT_TRUE(got[s] == bytes(sizes[s], static_cast<std::uint8_t>(s))) << s;
}

TEST(WorkerRoad, AJobIsTakenBackOnceAndOnlyBeforeItHasBegun) {
  road_lab lab;
  lab.road.send_job(0, 1, job_bytes(byte_view(some(5))));
  lab.road.send_job(1, 1, job_bytes(byte_view(some(5))));
  lab.road.page().claims[0].store(claim_word(0, claim::claimed));
  EXPECT_FALSE(lab.road.take_back(0));
  EXPECT_TRUE(lab.road.take_back(1));
  EXPECT_FALSE(lab.road.take_back(1));
}

TEST(WorkerRoad, FinishEndsTheWorkersInputAfterAllThatWasSent) {
  road_lab lab;
  lab.road.send_job(0, 1, job_bytes(byte_view(some(2U << 20U))));
  lab.road.flush();
  lab.road.finish();
  std::size_t got = 0;
  lab.run_until([&] {
    bytes part(1U << 16U);
    const auto n = ::recv(lab.road.worker_ends().pipe, part.data(), part.size(), MSG_DONTWAIT);
    if (n > 0) got += static_cast<std::size_t>(n);
    return n == 0;
  });
  EXPECT_EQ(got, (2U << 20U) + 9 * wire::frame_header_size + wire::message_size_bytes);
}

}  // namespace
}  // namespace pp::worker
