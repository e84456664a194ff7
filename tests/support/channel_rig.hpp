// Two channels (or one channel and a raw end) over a pipe in memory, run step by step in the test's own thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/block.hpp"
#include "net/channel.hpp"
#include "tests/support/test_stream.hpp"

namespace pp::test {

struct received {
  wire::frame_header head;
  bytes payload;
};

/// Keeps everything a channel delivers.
class collecting_handler final : public net::channel::handler {
 public:
  void on_message(const net::message& m) override {
    messages.push_back({m.head, bytes(m.view.begin(), m.view.end())});
    owned += m.owned ? 1 : 0;
  }
  block place_for(const wire::frame_header& head, byte_view beginning, std::size_t size) override {
    places.push_back({head, bytes(beginning.begin(), beginning.end())});
    placed_sizes.push_back(size);
    return block::on_heap(size + spare_room);
  }
  void on_batch_end() override { ++batches; }
  void on_writable() override { ++writable; }

  std::vector<received> messages;
  std::vector<received> places;           ///< what place_for() was asked, with the beginning it saw
  std::vector<std::size_t> placed_sizes;  ///< and for how much
  std::size_t spare_room = 0;             ///< what places have beyond that
  std::size_t owned = 0;                  ///< messages that came in a block
  std::size_t batches = 0, writable = 0;
  std::size_t bytes_seen = 0;  ///< read from the stream, whole frames or not
};

struct rig_options {
  boost::beast::test::fail_count* left_fails = nullptr;
  std::size_t right_read_size = 0;  ///< most bytes of one read; 0 = no limit
  bool raw_left = false;            ///< no channel at the left end: write_raw()
  net::channel::limits right_limits = {};
};

class channel_rig {
 public:
  explicit channel_rig(const rig_options& o = {});
  channel_rig(const channel_rig&) = delete;
  channel_rig& operator=(const channel_rig&) = delete;
  /// Closes both ends and runs until both coroutines are over.
  ~channel_rig();

  /// Runs the loop until `condition` holds; fails the test if nothing more can happen before, or after a minute.
  void run_until(const std::function<bool()>& condition);

  net::channel& left() { return *left_; }
  net::channel& right() { return *right_; }
  collecting_handler& at_left() { return at_left_; }
  collecting_handler& at_right() { return at_right_; }
  bool left_ended() const { return left_ended_; }
  bool right_ended() const { return right_ended_; }
  std::size_t left_writes() const;
  net::io_context& context() { return context_; }

  void write_raw(byte_view bytes_to_send);
  void close_raw() { raw_->close(); }

 private:
  class counting_stream;
  void start(net::channel& c, collecting_handler& h, bool& ended);

  net::io_context context_;
  collecting_handler at_left_, at_right_;
  std::size_t left_write_count_ = 0, ignored_count_ = 0;
  std::unique_ptr<test_stream::pipe_end> raw_;
  std::unique_ptr<net::channel> left_, right_;
  bool left_ended_ = true, right_ended_ = true;
};

}  // namespace pp::test
