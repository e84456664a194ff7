// The worker's end of a stream socket pair: whole messages in and out, in the frames of wire/frame.hpp.
//
// Promises: no message is longer than wire::max_message_bytes; a small one is not copied after it was received; each
// frame out is one system call. Threads: one. Must not know: what the messages mean.
#pragma once

#include "base/bytes.hpp"
#include "code/descriptor.hpp"
#include "pp/detail/payload.hpp"
#include "worker/value_road.hpp"
#include "worker/worker_road.hpp"

namespace pp::worker {

class worker_pipe final : public worker_road {
 public:
  explicit worker_pipe(code::descriptor socket);

  bool read(pipe_message& message) override;
  /// Cut into frames as needed.
  bool write(const wire::frame_header& head, std::initializer_list<byte_view> parts) override;
  /// Takes what comes there while it waits for messages, once something was there.
  void watch(value_receiver* values) { values_ = values; }
  int fd() const { return socket_.get(); }

 private:
  bool fill(std::size_t wanted);
  bool read_header(wire::frame_header& head);
  bool assemble(const wire::frame_header& first, pipe_message& message);
  bool read_into(std::uint8_t* to, std::size_t length);
  bool receive(std::uint8_t* to, std::size_t size);
  void wait_beside_values();

  code::descriptor socket_;
  value_receiver* values_ = nullptr;  ///< may be null
  bytes buffer_;
  std::size_t begin_ = 0, end_ = 0;  ///< what of buffer_ was received and not yet used
  detail::payload assembled_;        ///< a message too long for buffer_
};

}  // namespace pp::worker
