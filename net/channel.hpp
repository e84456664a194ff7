// A framed duplex pipe over any stream: one reader, one writer.
//
// Sending never blocks: frames are appended to one outbound buffer, and the writer coroutine writes all that is there in one
// go, so small frames of one loop turn share a write. A large payload is its own segment, never copied into that buffer, and
// goes out in frames of at most wire::max_frame_payload that alternate with other messages: a heartbeat never waits behind a
// gigabyte. Receiving: all frames that one read gave are handed over before the next read; messages of several frames are put
// together first, bounded by wire::max_message_bytes each and limits::assembling_bytes in all.
//
// Owner: whoever runs run(). Threads: the I/O thread only. Must not know: what a message means.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/block.hpp"
#include "base/clock.hpp"
#include "net/byte_stream.hpp"
#include "wire/frame.hpp"

namespace pp::net {

/// A received message; `view` is valid during the call. For large messages `owned` holds the same bytes and may be moved out.
struct message {
  wire::frame_header head;
  byte_view view;
  bytes* owned = nullptr;  ///< null if the message came in one frame

  /// The bytes to keep: moved if owned, else copied.
  bytes take() const { return owned != nullptr ? std::move(*owned) : bytes(view.begin(), view.end()); }
};

class channel {
 public:
  /// Told about everything that comes in. An exception from on_message ends the channel.
  class handler {
   public:
    virtual ~handler() = default;
    virtual void on_message(const message& m) = 0;
    /// All frames of one read were handed over: the moment to act on them together.
    virtual void on_batch_end() {}
    /// The outbound queue fell below limits::low_water_bytes after is_full() had been true.
    virtual void on_writable() {}
  };
  struct limits {
    std::uint64_t assembling_bytes = 2 * wire::max_message_bytes;  ///< all incomplete incoming messages together
    std::size_t high_water_bytes = 256 * 1024;                     ///< is_full() from here on
    std::size_t low_water_bytes = 128 * 1024;
  };

  channel(std::unique_ptr<byte_stream> stream, const limits& l);
  channel(std::unique_ptr<byte_stream> stream) : channel(std::move(stream), limits{}) {}
  ~channel();

  /// Reads and writes until either side ends; throws system_error with the reason. Cancelling ends it too.
  awaitable<void> run(handler& to);

  /// Appends one message. `payload` is copied if it fits one frame.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view payload);
  /// The same in two parts (fixed fields, then bytes of the user's), joined without a temporary.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first, byte_view second);
  /// Takes a large payload over; small ones are copied and freed.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, bytes payload);
  /// The same without a copy of any size: the bytes are given back when they were written.
  void send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, block payload);
  /// Sends bytes owned by somebody else, who keeps them alive through `owner` until they are written.
  void send_shared(wire::message_type type, std::uint64_t job, std::uint16_t attempt, bytes first, byte_view second,
                   std::shared_ptr<const void> owner);

  /// True while more than high_water_bytes wait to be written: a producer that can wait should.
  bool is_full() const { return queued_bytes_ >= limits_.high_water_bytes; }
  std::size_t queued_bytes() const { return queued_bytes_; }
  /// Completes when the queue is empty, or throws when the channel ends first. For a last GOODBYE.
  awaitable<void> flush();
  /// Ends run() with operation_aborted at its next step; what is queued is lost.
  void close() noexcept;
  bool is_closed() const { return closed_; }

  /// When the last byte came in: what decides whether the peer is alive.
  time_point last_received() const { return last_received_; }
  std::uint64_t bytes_received() const { return bytes_received_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  /// One message on its way: header fields, a small first part, the bytes, and who keeps them alive.
  struct segment {
    wire::frame_header head;
    bytes first;
    byte_view rest;
    bytes owned;
    std::shared_ptr<const void> owner;
  };
  awaitable<void> read_frames(handler& to);
  awaitable<void> write_frames(handler& to);
  awaitable<void> write_one_frame_of_large();
  std::size_t parse(byte_view from, handler& to);
  void deliver(const wire::frame_header& head, byte_view payload, handler& to);
  void append_small(const wire::frame_header& head, byte_view first, byte_view second);
  void append_large(segment s);
  void note_written(std::size_t count, handler& to);

  std::unique_ptr<byte_stream> stream_;
  limits limits_;
  steady_timer writer_wake_;  ///< never fires; cancelled when there is something to write
  steady_timer drained_;      ///< never fires; cancelled when the queue becomes empty or the channel ends
  bool closed_ = false;

  // Outbound.
  bytes small_;                ///< whole frames, ready to go
  bytes writing_;              ///< what the writer holds; swapped with small_, so both keep their memory
  std::deque<segment> large_;  ///< messages still being cut into frames, one frame each in turn
  std::size_t queued_bytes_ = 0;
  bool was_full_ = false;

  // Inbound.
  std::map<std::pair<wire::message_type, std::uint64_t>, bytes> assembling_;  ///< large messages only: no cost per job
  std::uint64_t assembling_bytes_ = 0;
  time_point last_received_ = now();
  std::uint64_t bytes_received_ = 0, bytes_sent_ = 0;
};

}  // namespace pp::net
