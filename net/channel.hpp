// A framed duplex pipe over any stream: one reader, one writer.
//
// Sending never blocks: frames are appended to one outbound buffer, and the writer coroutine writes all that is there in one
// go, so small frames of one loop turn share a write. A large payload is its own segment, never copied into that buffer, and
// goes out in frames of at most wire::max_frame_payload that alternate with other messages: a heartbeat never waits behind a
// gigabyte. Receiving: all frames that one read gave are handed over before the next read. Large messages are read straight to
// where the handler wants them (place_for), once; they are bounded by wire::max_message_bytes each and
// limits::assembling_bytes in all before there is any memory for them.
//
// Owner: whoever runs run(). Threads: the I/O thread only. Must not know: what a message means.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/block.hpp"
#include "base/clock.hpp"
#include "net/byte_stream.hpp"
#include "net/loop.hpp"
#include "wire/frame.hpp"

namespace pp::net {

/// A received message; `view` is valid during the call. For large messages `owned` is the block they were read into.
struct message {
  wire::frame_header head;  ///< of its last frame
  byte_view view;
  block owned;  ///< empty for small messages

  /// The bytes to keep: shared if owned, else copied.
  block take() const { return owned ? owned : block::of(bytes(view.begin(), view.end())); }
};

class channel {
 public:
  /// Told about everything that comes in. An exception from on_message ends the channel.
  class handler {
   public:
    virtual ~handler() = default;
    virtual void on_message(const message& m) = 0;
    /// Where the `size` bytes of a large message shall go: a block of at least that size. `beginning` is what is there of it, at
    /// least its first 24 bytes; the message itself comes later, or never. An exception ends the channel.
    virtual block place_for(const wire::frame_header& head, byte_view beginning, std::size_t size);
    /// All frames of one read were handed over: the moment to act on them together.
    virtual void on_batch_end() {}
    /// The outbound queue fell below limits::low_water_bytes after is_full() had been true.
    virtual void on_writable() {}
  };
  struct limits {
    std::uint64_t assembling_bytes =
        2 * wire::max_message_bytes;            ///< all incomplete incoming messages together, as announced
    std::size_t high_water_bytes = 256 * 1024;  ///< is_full() from here on
    std::size_t low_water_bytes = 128 * 1024;
  };

  channel(std::unique_ptr<byte_stream> stream, const limits& l);
  channel(std::unique_ptr<byte_stream> stream) : channel(std::move(stream), limits{}) {}
  ~channel();

  /// Reads and writes until either side ends; throws system_error with the reason. Cancelling ends it too.
  awaitable<void> run(handler& to);

  /// Blocks up to this size are copied behind what is queued; larger ones are cut from where they lie.
  static constexpr std::size_t largest_copied = 64 * 1024;
  static constexpr std::size_t largest_first_part = 66 * 1024;  ///< the fixed part of SUBMIT and a job's terms

  /// Appends one message. The bytes are copied, and what is sent after them never overtakes them.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view payload);
  /// The same in two parts (fixed fields, then bytes of the user's), joined without a temporary.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first, byte_view second);
  /// The same without a copy of many bytes: the block is let go when it was written. Messages sent later may overtake it.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, block payload) {
    send(type, job, attempt, byte_view{}, std::move(payload));
  }
  /// At most largest_first_part bytes of fixed fields before the block.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first, block second);
  /// As send(), but never before what was sent of the same job.
  void send_behind(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view payload);

  /// True while more than high_water_bytes wait to be written: a producer that can wait should.
  bool is_full() const { return queued_bytes_ >= limits_.high_water_bytes; }
  std::size_t queued_bytes() const { return queued_bytes_; }
  /// Completes when the queue is empty, or throws when the channel ends first. For a last GOODBYE.
  awaitable<void> flush();
  /// Ends run() with operation_aborted at its next step; what is queued is lost.
  void close() noexcept;
  /// After flush(): the peer finds the end of the stream behind what was sent; what it still sends is read.
  void finish_writing() noexcept { stream_->finish_writing(); }
  bool is_closed() const { return closed_; }

  /// When the last byte came in: what decides whether the peer is alive.
  time_point last_received() const { return last_received_; }
  std::uint64_t bytes_received() const { return bytes_received_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  /// One large message on its way out.
  struct segment {
    wire::frame_header head;
    bytes first;
    block rest;
    std::size_t written = 0;  ///< of `rest`
    bytes behind;             ///< whole frames of the same job that follow

    std::size_t size() const { return first.size() + rest.size(); }
    std::size_t left() const { return written == 0 ? size() : rest.size() - written; }
  };
  /// One large message on its way in.
  struct incoming {
    block to;
    std::size_t size = 0, filled = 0;
    mutable_byte_view room() const { return to.writable().subspan(filled, size - filled); }
  };
  using incoming_messages = std::map<std::pair<wire::message_type, std::uint64_t>, incoming>;
  /// The frame that is being read straight to its place.
  struct placed_frame {
    wire::frame_header head;
    incoming_messages::iterator of;
    std::size_t left = 0;
  };

  awaitable<void> write_frames(handler& to);
  awaitable<void> write_one_frame_of_large();
  void append_small(wire::frame_header head, byte_view first, byte_view second);
  void append_large(segment s);
  void begin_waiting();
  void turn_large();
  segment* find_large(std::uint64_t job);
  void note_written(std::size_t count, handler& to);

  awaitable<void> read_frames(handler& to);
  awaitable<void> read_placed(handler& to);
  std::size_t parse(byte_view from, handler& to);
  std::size_t parse_placed(const wire::frame_header& head, byte_view from, handler& to);
  incoming_messages::iterator begin_message(const wire::frame_header& head, byte_view beginning, handler& to);
  void end_frame(const placed_frame& frame, handler& to);
  bool is_placed(const wire::frame_header& head) const;
  void note_received(std::size_t count);

  std::unique_ptr<byte_stream> stream_;
  limits limits_;
  poll_list& loop_;
  steady_timer writer_wake_;  ///< never fires; cancelled when there is something to write
  steady_timer drained_;      ///< never fires; cancelled when the queue becomes empty or the channel ends
  bool closed_ = false;

  // Outbound.
  bytes small_;                  ///< whole frames, ready to go
  bytes writing_;                ///< what the writer holds; swapped with small_, so both keep their memory
  std::deque<segment> large_;    ///< messages being cut into frames, one frame each in turn
  std::deque<segment> waiting_;  ///< messages not begun, because the receiver cannot hold so much at once
  std::uint64_t begun_bytes_ = 0;
  std::size_t queued_bytes_ = 0;
  bool was_full_ = false;

  // Inbound.
  incoming_messages assembling_;  ///< large messages only: no cost per job
  std::uint64_t assembling_bytes_ = 0;
  std::optional<placed_frame> placing_;
  bool expects_large_ = false;
  time_point last_received_ = now();
  std::uint64_t bytes_received_ = 0, bytes_sent_ = 0;
};

}  // namespace pp::net
