// A duplex stream of bytes, whatever carries it: TLS over TCP, a local socket, a stream made for a test.
//
// One read and one write may be outstanding at a time. Threads: the I/O thread only.
#pragma once

#include "base/bytes.hpp"
#include "net/asio.hpp"

namespace pp::net {

class byte_stream {
 public:
  virtual ~byte_stream() = default;
  /// At least one byte, or throws system_error: asio::error::eof when the peer closed.
  virtual awaitable<std::size_t> read_some(mutable_byte_view to) = 0;
  /// All of `first`, then all of `second`, in as few system calls as possible; or throws system_error.
  virtual awaitable<void> write(byte_view first, byte_view second) = 0;
  /// Nothing more will be written; reading goes on. close() while the peer still sends could make the kernel throw away
  /// what the peer has not read yet. Streams that cannot do this end both directions.
  virtual void finish_writing() noexcept { close(); }
  /// Ends both directions at once; pending operations fail.
  virtual void close() noexcept = 0;
  virtual executor get_executor() = 0;
};

}  // namespace pp::net
