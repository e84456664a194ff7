// The worker's end of its road: whole messages in and out, blocking.
//
// Threads: one, the one that runs jobs. Must not know: what the messages mean.
#pragma once

#include <initializer_list>

#include "base/bytes.hpp"
#include "wire/frame.hpp"

namespace pp::worker {

/// `payload` is valid until the next read.
struct pipe_message {
  wire::frame_header head;
  byte_view payload;
};

class worker_road {
 public:
  virtual ~worker_road() = default;
  /// Waits for the next message. False if the node has closed the road or sent what makes no sense; then there is no
  /// more.
  virtual bool read(pipe_message& message) = 0;
  /// Sends `parts` as one message of `head`'s type and job. False if the node is gone.
  virtual bool write(const wire::frame_header& head, std::initializer_list<byte_view> parts) = 0;
};

}  // namespace pp::worker
