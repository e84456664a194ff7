// net::byte_stream over Beast's test stream: a duplex pipe in memory that can fail at its n-th operation, and reads as few
// bytes at a time as a test asks for.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/write.hpp>
#include <boost/beast/_experimental/test/fail_count.hpp>
#include <boost/beast/_experimental/test/stream.hpp>

#include "net/byte_stream.hpp"

namespace pp::test {

class test_stream final : public net::byte_stream {
 public:
  using pipe_end = boost::beast::test::stream;

  explicit test_stream(pipe_end end) : end_(std::move(end)) {}

  net::awaitable<std::size_t> read_some(mutable_byte_view to) override {
    // Beast's stream ignores cancellation, so a cancelled read closes it, as a real socket's read would be ended.
    auto slot = (co_await net::this_coro::cancellation_state).slot();
    if (slot.is_connected()) slot.assign([this](net::asio::cancellation_type) { close(); });
    const auto buffer = net::asio::buffer(to.data(), to.size());
    const std::size_t got = co_await end_.async_read_some(buffer, net::use_awaitable);
    if (slot.is_connected()) slot.clear();
    co_return got;
  }
  net::awaitable<void> write(byte_view first, byte_view second) override {
    const std::array<net::asio::const_buffer, 2> both{net::asio::buffer(first.data(), first.size()),
                                                      net::asio::buffer(second.data(), second.size())};
    co_await net::asio::async_write(end_, both, net::use_awaitable);
  }
  void close() noexcept override { end_.close(); }
  net::executor get_executor() override { return end_.get_executor(); }

 private:
  pipe_end end_;
};

/// Two connected ends. The first fails at its `fail_at`-th operation (reads and writes count together) if that is given.
struct stream_pair {
  stream_pair(net::io_context& context, boost::beast::test::fail_count* fails)
      : first(fails != nullptr ? test_stream::pipe_end(context, *fails) : test_stream::pipe_end(context)),
        second(context) {
    first.connect(second);
  }
  test_stream::pipe_end first, second;
};

}  // namespace pp::test
