#include "wire/login.hpp"

namespace pp::wire {
namespace {

bytes begin(login_type type) {
  bytes message;
  message.reserve(login_size(type));
  writer out(message);
  out.raw(as_bytes(login_magic));
  out.u8(static_cast<std::uint8_t>(type));
  out.u8(0);
  out.u16(static_cast<std::uint16_t>(login_size(type) - login_header_size));
  return message;
}

/// True if `from` is one whole message of this type.
bool is_whole(login_type type, byte_view from) {
  const auto got = decode_login_header(from);
  return got && *got == type && from.size() == login_size(type);
}

bool is_role(std::uint8_t role) { return role >= 1 && role <= role_max; }

}  // namespace

result<login_type> decode_login_header(byte_view from) {
  reader in(from);
  const auto magic = in.take(login_magic.size());
  const auto number = in.u8();
  const auto zero = in.u8();
  const std::size_t body = in.u16();
  if (!in.ok() || as_text(magic) != login_magic || zero != 0) return malformed();
  if (number < 1 || number > static_cast<std::uint8_t>(login_type::auth_fail)) return malformed();
  const auto type = static_cast<login_type>(number);
  if (body != login_size(type) - login_header_size) return malformed();
  return type;
}

bytes encode_client_hello(const client_hello& m) {
  bytes message = begin(login_type::client_hello);
  writer out(message);
  out.u8(m.proto_min);
  out.u8(m.proto_max);
  out.u8(m.role);
  out.u8(channel_tls_exporter);
  out.u32(0);
  out.raw(m.key_id);
  out.raw(m.client_id);
  out.raw(m.nonce);
  out.raw(m.expected_node);
  out.u64(m.features);
  out.u64(0);
  return message;
}

result<version_range> decode_client_versions(byte_view from) {
  if (!is_whole(login_type::client_hello, from)) return malformed();
  const version_range range{from[login_header_size], from[login_header_size + 1]};
  if (range.min == 0 || range.min > range.max) return malformed();
  return range;
}

result<client_hello> decode_client_hello(byte_view from) {
  const auto versions = decode_client_versions(from);
  if (!versions) return versions.error();
  reader in(from.subspan(login_header_size + 2));
  client_hello m;
  m.proto_min = versions->min;
  m.proto_max = versions->max;
  m.role = in.u8();
  const auto channel = in.u8();
  const auto flags = in.u32();
  m.key_id = in.array<8>();
  m.client_id = in.array<16>();
  m.nonce = in.array<32>();
  m.expected_node = in.array<16>();
  m.features = in.u64();
  const auto zero = in.u64();
  if (!in.finished() || !is_role(m.role) || channel != channel_tls_exporter || flags != 0 || zero != 0)
    return malformed();
  return m;
}

bytes encode_server_hello(const server_hello& m) {
  bytes message = begin(login_type::server_hello);
  writer out(message);
  out.u8(m.proto);
  out.u8(m.role);
  out.u8(channel_tls_exporter);
  out.u8(0);
  out.u32(0);
  out.raw(m.key_id);
  out.raw(m.node_id);
  out.raw(m.nonce);
  out.raw(m.boot_id);
  out.u64(m.features);
  out.u64(m.max_frame);
  return message;
}

result<server_hello> decode_server_hello(byte_view from) {
  if (!is_whole(login_type::server_hello, from)) return malformed();
  reader in(from.subspan(login_header_size));
  server_hello m;
  m.proto = in.u8();
  m.role = in.u8();
  const auto channel = in.u8();
  const auto zero = in.u8();
  const auto flags = in.u32();
  m.key_id = in.array<8>();
  m.node_id = in.array<16>();
  m.nonce = in.array<32>();
  m.boot_id = in.array<16>();
  m.features = in.u64();
  m.max_frame = in.u64();
  if (!in.finished() || m.proto == 0 || !is_role(m.role) || channel != channel_tls_exporter) return malformed();
  if (zero != 0 || flags != 0) return malformed();
  return m;
}

bytes encode_proof(login_type type, const proof& m) {
  bytes message = begin(type);
  writer(message).raw(m);
  return message;
}

result<proof> decode_proof(login_type type, byte_view from) {
  if (!is_whole(type, from) || from.size() != login_proof_size) return malformed();
  return reader(from.subspan(login_header_size)).array<32>();
}

bytes encode_auth_fail(const auth_fail& m) {
  bytes message = begin(login_type::auth_fail);
  writer out(message);
  out.u16(static_cast<std::uint16_t>(m.code));
  out.u16(m.detail);
  return message;
}

result<auth_fail> decode_auth_fail(byte_view from) {
  if (!is_whole(login_type::auth_fail, from)) return malformed();
  reader in(from.subspan(login_header_size));
  const auto code = in.u16();
  const auto detail = in.u16();
  if (code < 1 || code > static_cast<std::uint16_t>(login_refusal::draining)) return malformed();
  const auto refusal = static_cast<login_refusal>(code);
  if (refusal != login_refusal::version && detail != 0) return malformed();
  return auth_fail{refusal, detail};
}

}  // namespace pp::wire
