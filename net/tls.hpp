// The one TLS profile, why no certificate is checked here, and the byte loop under the awaitable reads and writes.
//
// TLS 1.3 only, ALPN "pp/1" mandatory, no tickets, no resumption, no 0-RTT (docs/security.md). The node's certificate is made in
// memory at start and proves nothing; the client does not verify it, because identity comes from the HMAC proof that both
// sides bind to this session by its exporter (RFC 9266, "EXPORTER-Channel-Binding"). A relay has two sessions, hence two
// exporter values, and both sides refuse it.
//
// The loop feeds OpenSSL through memory BIOs; it receives up to 256 KiB per system call and sends 64 KiB, where Asio's own engine
// moves one 16 KiB record at a time, which costs a third on large payloads.
//
// Threads: the I/O thread only. Must not know: what travels inside.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "net/byte_stream.hpp"

namespace pp::net {

class tls_context {
 public:
  static tls_context client();
  /// Makes the node's ephemeral P-256 key and self-signed certificate.
  static tls_context server();
  tls_context(tls_context&&) noexcept;
  tls_context& operator=(tls_context&&) noexcept;
  ~tls_context();

 private:
  friend class tls_stream;
  struct impl;
  explicit tls_context(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

class tls_stream final : public byte_stream {
 public:
  /// `context` must outlive this. Sets TCP_NODELAY, keepalive and TCP_USER_TIMEOUT on the socket.
  tls_stream(tcp::socket socket, const tls_context& context, bool is_server);
  ~tls_stream() override;

  /// The whole TLS handshake. Throws system_error; a peer without ALPN "pp/1" or below TLS 1.3 is refused.
  /// `byte_limit` bounds what a stranger may make us read, here and until lift_limit().
  awaitable<void> handshake(std::size_t byte_limit);
  void lift_limit() { byte_limit_ = SIZE_MAX; }
  /// tls-exporter channel binding of this session. Requires: handshake() has completed.
  std::array<std::uint8_t, 32> channel_binding() const;

  awaitable<std::size_t> read_some(mutable_byte_view to) override;
  awaitable<void> write(byte_view first, byte_view second) override;
  void finish_writing() noexcept override;
  void close() noexcept override;
  executor get_executor() override { return socket_.get_executor(); }

  /// Exactly `to.size()` bytes; throws eof if the peer closes first.
  awaitable<void> read_exactly(mutable_byte_view to);

 private:
  struct impl;
  awaitable<void> receive_more();
  awaitable<void> send_pending();
  awaitable<void> encrypt_and_send(byte_view from);

  tcp::socket socket_;
  std::unique_ptr<impl> impl_;
  std::size_t byte_limit_ = SIZE_MAX;
};

}  // namespace pp::net
