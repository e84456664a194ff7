// The page that a node and a worker share: claims move exactly once, and hostile descriptors are refused.
#include "worker/control.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <system_error>
#include <thread>
#include <vector>

namespace pp::worker {
namespace {

TEST(ControlPage, IsSharedByBothSides) {
  control_mapping node = control_mapping::create();
  control_mapping worker = control_mapping::open(node.fd());
  node.set(5, claim::queued);
  EXPECT_EQ(worker.state_of(5), claim::queued);
  EXPECT_TRUE(worker.move(5, claim::queued, claim::claimed));
  EXPECT_EQ(node.state_of(5), claim::claimed);
  worker.page().streams[1].total.store(77);
  EXPECT_EQ(node.page().streams[1].total.load(), 77U);
}

TEST(ControlPage, StartsWithEverythingDone) {
  control_mapping page = control_mapping::create();
  for (std::uint64_t sequence = 0; sequence < claim_slots; ++sequence) EXPECT_EQ(page.state_of(sequence), claim::done);
  EXPECT_FALSE(page.move(0, claim::queued, claim::claimed));
}

TEST(ControlPage, SequencesThatShareASlotDoNotDisturbEachOther) {
  control_mapping page = control_mapping::create();
  page.set(3, claim::queued);
  page.set(3 + claim_slots, claim::queued);
  EXPECT_EQ(page.state_of(3), claim::done);
  EXPECT_FALSE(page.move(3, claim::queued, claim::claimed));
  EXPECT_TRUE(page.move(3 + claim_slots, claim::queued, claim::taken_back));
}

TEST(ControlPage, GoesWithItsOwner) {
  control_mapping page = control_mapping::create();
  const int fd = page.fd();
  control_mapping moved = std::move(page);
  EXPECT_EQ(moved.fd(), fd);
  moved = control_mapping::create();
  moved.set(1, claim::queued);
  EXPECT_EQ(moved.state_of(1), claim::queued);
}

TEST(ControlPage, CannotBeShrunkByTheWorker) {
  control_mapping page = control_mapping::create();
  EXPECT_NE(::ftruncate(page.fd(), 0), 0);
  EXPECT_NE(::ftruncate(page.fd(), sizeof(control_page) * 2), 0);
}

TEST(ControlPage, RefusesDescriptorsThatAreNone) {
  EXPECT_THROW(control_mapping::open(-1), std::system_error);
  const int empty = ::memfd_create("empty", MFD_CLOEXEC);
  EXPECT_THROW(control_mapping::open(empty), std::system_error);
  ASSERT_EQ(::ftruncate(empty, sizeof(control_page)), 0);
  EXPECT_THROW(control_mapping::open(empty), std::system_error);  // the size, but no magic
  ::close(empty);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_THROW(control_mapping::open(ends[0]), std::system_error);
  ::close(ends[0]);
  ::close(ends[1]);
}

/// The node takes jobs back from the tail while the worker claims them from the head: each job has one winner.
TEST(ControlPage, EveryJobIsClaimedOrTakenBackExactlyOnce) {
  control_mapping node = control_mapping::create();
  control_mapping worker = control_mapping::open(node.fd());
  std::uint64_t claimed_in_all = 0, taken_in_all = 0;
  constexpr std::uint64_t rounds = 200;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::uint64_t first = round * claim_slots;
    for (std::uint64_t i = 0; i < claim_slots; ++i) node.set(first + i, claim::queued);
    std::vector<char> claimed(claim_slots), taken(claim_slots);
    std::thread runs([&] {
      for (std::uint64_t i = 0; i < claim_slots; ++i)
        claimed[i] = worker.move(first + i, claim::queued, claim::claimed);
    });
    for (std::uint64_t i = claim_slots; i-- > 0;) taken[i] = node.move(first + i, claim::queued, claim::taken_back);
    runs.join();
    for (std::uint64_t i = 0; i < claim_slots; ++i) {
      ASSERT_EQ(claimed[i] + taken[i], 1) << first + i;
      claimed_in_all += static_cast<std::uint64_t>(claimed[i]);
      taken_in_all += static_cast<std::uint64_t>(taken[i]);
    }
  }
  EXPECT_EQ(claimed_in_all + taken_in_all, rounds * claim_slots);
}

}  // namespace
}  // namespace pp::worker
