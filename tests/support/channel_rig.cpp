#include "tests/support/channel_rig.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include "tests/support/wait.hpp"

namespace pp::test {

/// Counts what passes, on its way to the pipe in memory.
class channel_rig::counting_stream final : public net::byte_stream {
 public:
  counting_stream(test_stream::pipe_end end, std::size_t& writes, std::size_t& bytes_read)
      : inner_(std::move(end)), writes_(writes), bytes_read_(bytes_read) {}

  net::awaitable<std::size_t> read_some(mutable_byte_view to) override {
    const std::size_t got = co_await inner_.read_some(to);
    bytes_read_ += got;
    co_return got;
  }
  net::awaitable<void> write(byte_view first, byte_view second) override {
    ++writes_;
    co_await inner_.write(first, second);
  }
  void close() noexcept override { inner_.close(); }
  net::executor get_executor() override { return inner_.get_executor(); }

 private:
  test_stream inner_;
  std::size_t& writes_;
  std::size_t& bytes_read_;
};

channel_rig::channel_rig(const rig_options& o) {
  stream_pair pair(context_, o.left_fails);
  if (o.right_read_size != 0) pair.second.read_size(o.right_read_size);
  auto right = std::make_unique<counting_stream>(std::move(pair.second), ignored_count_, at_right_.bytes_seen);
  right_ = std::make_unique<net::channel>(std::move(right), o.right_limits);
  start(*right_, at_right_, right_ended_);
  if (o.raw_left) {
    raw_ = std::make_unique<test_stream::pipe_end>(std::move(pair.first));
    return;
  }
  auto left = std::make_unique<counting_stream>(std::move(pair.first), left_write_count_, at_left_.bytes_seen);
  left_ = std::make_unique<net::channel>(std::move(left));
  start(*left_, at_left_, left_ended_);
}

channel_rig::~channel_rig() {
  if (left_) left_->close();
  if (raw_) raw_->close();
  right_->close();
  run_until([this] { return left_ended_ && right_ended_; });
}

void channel_rig::start(net::channel& c, collecting_handler& h, bool& ended) {
  ended = false;
  net::asio::co_spawn(context_, c.run(h), [&c, &ended](const std::exception_ptr& failure) {
    EXPECT_NE(failure, nullptr) << "run() ends only by an exception that says why";
    ended = true;
    c.close();  // what every owner of a channel does
  });
}

void channel_rig::run_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + generous;
  while (!condition()) {
    context_.restart();
    if (context_.run_one_for(std::chrono::seconds(1)) == 0 && !condition() &&
        std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "nothing more happens";
      return;
    }
  }
}

std::size_t channel_rig::left_writes() const { return left_write_count_; }

void channel_rig::write_raw(byte_view from) { net::asio::write(*raw_, net::asio::buffer(from.data(), from.size())); }

}  // namespace pp::test
