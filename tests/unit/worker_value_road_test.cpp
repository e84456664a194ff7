// Both ends of the road of shared values, in one process.
#include "worker/value_road.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <thread>

#include <gtest/gtest.h>

namespace pp::worker {
namespace {

code::shared_pointer value_of(const std::string& text) {
  code::content_writer to;
  to.append(as_bytes(text));
  return to.finish();
}
std::string text_of(const detail::shared_value_pointer& value) {
  return value ? std::string(as_text(value->content()->bytes())) : "none";
}

class ValueRoad : public ::testing::Test {
 protected:
  ValueRoad() : receiver_(code::descriptor(::fcntl(sender_.worker_end(), F_DUPFD_CLOEXEC, 0))) {
    sender_.release_worker_end();
  }
  value_sender sender_;
  value_receiver receiver_;
};

TEST_F(ValueRoad, GivesEachValueOnceMappedForReading) {
  const auto a = value_of("one"), b = value_of("two");
  sender_.give({a, b});
  sender_.give({b, a});
  EXPECT_EQ(text_of(receiver_.find(a->id())), "one");
  EXPECT_EQ(text_of(receiver_.find(b->id())), "two");
  EXPECT_EQ(receiver_.find(a->id()), receiver_.find(a->id()));
  EXPECT_FALSE(receiver_.is_empty());
}

TEST_F(ValueRoad, NobodyCanChangeWhatWasShared) {
  const auto a = value_of("one");
  EXPECT_EQ(::pwrite(a->fd(), "x", 1, 0), -1);
  EXPECT_EQ(::ftruncate(a->fd(), 0), -1);
  EXPECT_EQ(::mmap(nullptr, 3, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd(), 0), MAP_FAILED);
}

TEST_F(ValueRoad, ForgetsWhatNobodyElseNeeds) {
  auto a = value_of("one");
  const auto b = value_of("two");
  const auto id = a->id();
  sender_.give({a, b});
  EXPECT_TRUE(sender_.forget_unused());
  const auto in_use = receiver_.find(id);
  a.reset();
  EXPECT_TRUE(sender_.forget_unused()) << "the other is there";
  EXPECT_TRUE(receiver_.take_all());
  EXPECT_EQ(text_of(in_use), "one") << "as long as a handle has it";
  // The same content anew is given anew.
  a = value_of("one");
  sender_.give({a});
  EXPECT_EQ(text_of(receiver_.find(id)), "one");
  EXPECT_NE(receiver_.find(id), in_use);
}

TEST_F(ValueRoad, KeepsWhatFindsNoRoomAndNeverWaits) {
  std::vector<code::shared_pointer> many;
  for (int i = 0; i < 2000; ++i) many.push_back(value_of("value " + std::to_string(i)));
  sender_.give(many);
  EXPECT_TRUE(sender_.flush()) << "so many do not fit into a socket";
  std::thread reader([&] {
    for (const auto& value : many) EXPECT_EQ(text_of(receiver_.find(value->id())), as_text(value->bytes()));
  });
  while (sender_.flush()) std::this_thread::yield();
  reader.join();
}

TEST_F(ValueRoad, TakesNothingFromTheWorker) {
  EXPECT_EQ(::send(receiver_.fd(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
  const auto a = value_of("one");
  sender_.give({a});
  EXPECT_EQ(text_of(receiver_.find(a->id())), "one");
}

TEST_F(ValueRoad, OfAWorkerThatIsGoneTakesNothingMore) {
  {
    const value_receiver gone(code::descriptor(::fcntl(receiver_.fd(), F_DUPFD_CLOEXEC, 0)));
    ::shutdown(receiver_.fd(), SHUT_RDWR);
  }
  sender_.give({value_of("one")});
  EXPECT_FALSE(sender_.flush());
}

TEST(ValueRoadEnd, IsSeenByWhoWaits) {
  auto sender = std::make_unique<value_sender>();
  value_receiver receiver(code::descriptor(::fcntl(sender->worker_end(), F_DUPFD_CLOEXEC, 0)));
  const auto a = value_of("one");
  sender->give({a});
  sender.reset();
  EXPECT_EQ(receiver.find(wire::content_id{1}), nullptr) << "before the limit";
  EXPECT_EQ(text_of(receiver.find(a->id())), "one") << "what came before the end is there";
  EXPECT_FALSE(receiver.take_all());
}

}  // namespace
}  // namespace pp::worker
