#include "net/login.hpp"

#include "base/log.hpp"
#include "net/deadline.hpp"

namespace pp::net {
namespace {

// Login messages have one fixed size per type; anything else ends the connection before a byte more is read.
awaitable<bytes> read_login(tls_stream& stream, wire::login_type expected) {
  bytes message(wire::login_header_size);
  co_await stream.read_exactly(message);
  const auto type = wire::decode_login_header(message);
  if (!type || (*type != expected && *type != wire::login_type::auth_fail)) {
    throw error(errc::bad_message, "the other side does not speak pp's login: is something else listening there?");
  }
  const std::size_t size = wire::login_size(*type);
  message.resize(size);
  const mutable_byte_view body = mutable_byte_view(message).subspan(wire::login_header_size);
  co_await stream.read_exactly(body);
  co_return message;
}

[[noreturn]] void refuse(const std::error_code& code, const std::string& reason) {
  throw error(code.category() == error_category() ? static_cast<errc>(code.value()) : errc::refused, reason);
}

}  // namespace

awaitable<auth::proved_node> log_in(tls_stream& stream, const auth::keyring& keys,
                                    const auth::client_handshake::parameters& p) {
  auth::client_handshake handshake(keys, p);
  const byte_view none;
  co_await stream.write(handshake.hello(), none);
  const bytes hello = co_await read_login(stream, wire::login_type::server_hello);
  const auto binding = stream.channel_binding();
  const auto proof = handshake.on_server_hello(hello, binding);
  if (!proof) refuse(proof.error(), handshake.reason());
  co_await stream.write(*proof, none);
  const bytes answer = co_await read_login(stream, wire::login_type::server_proof);
  const auto node = handshake.on_server_proof(answer);
  if (!node) refuse(node.error(), handshake.reason());
  stream.lift_limit();
  co_return *node;
}

awaitable<admitted_client> admit(tls_stream& stream, const auth::keyring& keys,
                                 const auth::server_handshake::parameters& p, duration failure_delay) {
  auth::server_handshake handshake(keys, p);
  const byte_view none;
  const bytes hello = co_await read_login(stream, wire::login_type::client_hello);
  auto step = handshake.on_client_hello(hello);
  if (!step.failed) {
    co_await stream.write(step.send, none);
    const bytes proof = co_await read_login(stream, wire::login_type::client_proof);
    const auto binding = stream.channel_binding();
    step = handshake.on_client_proof(proof, binding);
  }
  admitted_client out;
  if (step.failed) {
    out.reason = handshake.reason();
    co_await sleep_for(failure_delay);
    if (!step.send.empty()) co_await stream.write(step.send, none);
    co_return out;
  }
  co_await stream.write(step.send, none);
  stream.lift_limit();
  out.proved = true;
  out.who = handshake.client();
  co_return out;
}

}  // namespace pp::net
