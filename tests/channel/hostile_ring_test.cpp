// A worker that scribbles on all it can write: it costs that worker, in words, and never the node.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>

#include "net/task_group.hpp"
#include "tests/support/wait.hpp"
#include "worker/ring_road.hpp"

namespace pp::worker {
namespace {

class HostileRing : public ::testing::Test, protected road_events {
 protected:
  HostileRing() : tasks_(io_.get_executor()) {
    tasks_.spawn("road", road.run(*this));
    theirs_ = shared_memory::open(road.worker_ends().worker_half, sizeof(worker_half) + result_arena_size,
                                  shared_memory::others::write);
    for (std::uint64_t s = 0; s < 3; ++s) road.send_job(s, 1, job_bytes(byte_view(bytes(30))));
    road.flush();
  }
  ~HostileRing() override {
    road.close();
    while (tasks_.size() > 0) step();
  }

  worker_half& half() { return *reinterpret_cast<worker_half*>(theirs_.data()); }
  void publish(ring_frame frame, std::uint64_t tail) {
    std::memcpy(half().results, &frame, sizeof frame);
    half().result_tail = tail;
    wake();
  }
  void wake() {
    const char one = 1;
    ASSERT_EQ(::send(road.worker_ends().wake, &one, 1, MSG_NOSIGNAL), 1);
    for (int i = 0; i < 5; ++i) step();
  }
  void step() {
    io_.restart();
    io_.run_one_for(std::chrono::milliseconds(1));
  }
  void expect_broken(const char* words) {
    EXPECT_NE(broken.find(words), std::string::npos) << broken;
    EXPECT_EQ(results, 0);
  }

  void on_ready() override {}
  void on_unfit(const std::string&) override {}
  void on_result(std::uint64_t, std::uint16_t, handed_bytes payload) override {
    ++results;
    std::uint64_t sum = 0;
    for (const auto b : payload.view) sum += b;  // reads all of it, so that ASan sees what is outside
    EXPECT_GE(sum, 0U);
  }
  void on_batch_end() override {}
  void on_broken(const std::string& reason) override { broken = reason; }

  static ring_frame frame(std::uint32_t length, ring_frame::place where) {
    ring_frame f;
    f.length = length;
    f.where = where;
    return f;
  }

  net::io_context io_;
  ring_road road{io_.get_executor(), nullptr, duration(0)};
  std::string broken;
  int results = 0;

 private:
  shared_memory theirs_;
  net::task_group tasks_;
};

using place = ring_frame::place;

TEST_F(HostileRing, AnHonestResultIsTold) {
  publish(frame(20, place::here), 64);
  EXPECT_EQ(results, 1);
  EXPECT_EQ(broken, "");
}

TEST_F(HostileRing, TailsThatMakeNoSense) {
  publish(frame(20, place::here), 33);
  expect_broken("spoiled its result ring");
}

TEST_F(HostileRing, AFrameLongerThanTheRing) {
  publish(frame(0xFFFFFFF0, place::here), 64);
  expect_broken("spoiled its result ring");
}

TEST_F(HostileRing, AResultWithoutItsHead) {
  publish(frame(7, place::here), 64);
  expect_broken("malformed result");
}

TEST_F(HostileRing, AResultInTheRingThatBelongsIntoTheArena) {
  publish(frame(largest_in_ring + 32, place::here), 2 * largest_in_ring);
  expect_broken("malformed result");
}

TEST_F(HostileRing, PlacesOutsideTheArena) {
  auto f = frame(100, place::arena);
  f.offset = result_arena_size - 50;
  publish(f, 32);
  expect_broken("from nowhere");
}

TEST_F(HostileRing, OffsetsThatOverflow) {
  auto f = frame(100, place::arena);
  f.offset = ~std::uint64_t{0} - 10;
  publish(f, 32);
  expect_broken("from nowhere");
}

TEST_F(HostileRing, ANumberOfAPlaceThatDoesNotExist) {
  auto f = frame(100, place::arena);
  f.slot = arena_places;
  publish(f, 32);
  expect_broken("from nowhere");
}

TEST_F(HostileRing, TheLastBytesOfTheArenaAreFine) {
  auto f = frame(100, place::arena);
  f.offset = result_arena_size - 100;
  publish(f, 32);
  EXPECT_EQ(results, 1);
}

TEST_F(HostileRing, AResultThatNeverComesOverTheSocketHoldsNobodyUp) {
  publish(frame(100, place::socket), 32);
  EXPECT_EQ(results, 0);
  EXPECT_EQ(broken, "");
  road.drain(*this);
  EXPECT_EQ(results, 0) << "its fate is what the claim word says";
}

TEST_F(HostileRing, AJobHeadThatNeverMovesStopsOnlyThatWorker) {
  std::uint64_t s = 3;
  while (s < 100'000) road.send_job(s++, 1, job_bytes(byte_view(bytes(3000))));
  step();
  EXPECT_NE(broken.find("does not pass the jobs"), std::string::npos) << broken;
}

TEST_F(HostileRing, AWorkerThatNeverReadsItsWakeUpsHoldsNobodyUp) {
  const int theirs = road.worker_ends().wake;
  ::fcntl(theirs, F_SETFL, 0);  // as user code may
  for (std::uint64_t s = 3; s < 400; ++s) {
    half().sleeps = 1;
    road.send_job(s, 1, job_bytes(byte_view(bytes(30))));
    for (int i = 0; i < 1000; ++i) {
      half().sleeps = 1;
      road.flush();
    }
  }
  EXPECT_EQ(broken, "");
}

TEST_F(HostileRing, AFloodOfWakeUpsIsReadAwayAndNoMore) {
  const char bytes_of_one[1000] = {};
  for (int i = 0; i < 1000; ++i) {
    static_cast<void>(::send(road.worker_ends().wake, bytes_of_one, sizeof bytes_of_one, MSG_NOSIGNAL | MSG_DONTWAIT));
    if (i % 10 == 0) step();
  }
  for (int unread = 1; unread > 0;) {
    step();
    ASSERT_EQ(::ioctl(road.worker_ends().wake, TIOCOUTQ, &unread), 0);
  }
  publish(frame(20, place::here), 64);
  EXPECT_EQ(results, 1);
}

TEST_F(HostileRing, AWorkerCannotWriteWhatTheNodeWrites) {
  constexpr int future_write = 0x0010;  // F_SEAL_FUTURE_WRITE, Linux 5.1
  const code::descriptor probe(::memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool kernel_can_seal = ::fcntl(probe.get(), F_ADD_SEALS, future_write) == 0;
  ASSERT_EQ(road.is_sealed(), kernel_can_seal) << "sealed wherever the kernel can";
  if (!kernel_can_seal) return;  // then a worker can, as docs/decisions/0008 says
  const int fd = road.worker_ends().node_half;
  void* at = ::mmap(nullptr, sizeof(node_half), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  EXPECT_EQ(at, MAP_FAILED);
  const char byte = 1;
  EXPECT_LT(::pwrite(fd, &byte, 1, 0), 0);
  const std::string again = "/proc/self/fd/" + std::to_string(fd);
  const code::descriptor reopened(::open(again.c_str(), O_RDWR | O_CLOEXEC));
  at = ::mmap(nullptr, sizeof(node_half), PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0);
  EXPECT_EQ(at, MAP_FAILED);
  at = ::mmap(nullptr, sizeof(node_half), PROT_READ, MAP_SHARED, fd, 0);
  ASSERT_NE(at, MAP_FAILED);
  EXPECT_NE(::mprotect(at, sizeof(node_half), PROT_READ | PROT_WRITE), 0);
  ::munmap(at, sizeof(node_half));
}

}  // namespace
}  // namespace pp::worker
