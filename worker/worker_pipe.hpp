// The worker's end of its road: whole messages in and out of a blocking stream socket.
//
// Promises: no message is longer than wire::max_message_bytes; a small one is not copied after it was received; each
// frame out is one system call. Threads: one. Must not know: what the messages mean.
#pragma once

#include <initializer_list>

#include "base/bytes.hpp"
#include "code/descriptor.hpp"
#include "pp/detail/payload.hpp"
#include "wire/frame.hpp"

namespace pp::worker {

/// `payload` is valid until the next read.
struct pipe_message {
  wire::frame_header head;
  byte_view payload;
};

class worker_pipe {
 public:
  explicit worker_pipe(code::descriptor socket);

  /// Waits for the next message. False if the node has closed the pipe or sent what makes no sense; then there is no
  /// more.
  bool read(pipe_message& message);
  /// Sends `parts` as one message of `head`'s type and job, cut into frames as needed. False if the node is gone.
  bool write(const wire::frame_header& head, std::initializer_list<byte_view> parts);

 private:
  bool fill(std::size_t wanted);
  bool read_header(wire::frame_header& head);
  bool assemble(const wire::frame_header& first, pipe_message& message);
  bool read_into(std::uint8_t* to, std::size_t length);
  bool receive(std::uint8_t* to, std::size_t size);

  code::descriptor socket_;
  bytes buffer_;
  std::size_t begin_ = 0, end_ = 0;  ///< what of buffer_ was received and not yet used
  detail::payload assembled_;        ///< a message too long for buffer_
};

}  // namespace pp::worker
