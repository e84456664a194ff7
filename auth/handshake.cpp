#include "auth/handshake.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/version.hpp"

namespace pp::auth {
namespace {

// The zero byte ends each label, so that no label is the beginning of another one with its data.
constexpr std::string_view transcript_label{"pp/1 transcript\0", 16};
constexpr std::string_view client_label{"pp/1 client proof\0", 18};
constexpr std::string_view server_label{"pp/1 server proof\0", 18};

std::string range_text(std::uint8_t min, std::uint8_t max) {
  return min == max ? "version " + std::to_string(min)
                    : "versions " + std::to_string(min) + " to " + std::to_string(max);
}

const key& chosen(const keyring& from, const key* with) {
  PP_CHECK(with != nullptr || !from.empty());
  return with != nullptr ? *with : from.proving();
}

wire::client_hello make_hello(const key& with, const client_handshake::parameters& p) {
  wire::client_hello hello;
  hello.proto_min = wire::protocol_min;
  hello.proto_max = wire::protocol_max;
  hello.role = static_cast<std::uint8_t>(p.as);
  hello.key_id = with.id();
  hello.client_id = p.client_id;
  hello.nonce = p.fresh;
  hello.expected_node = p.expected_node;
  hello.features = p.features;
  return hello;
}

}  // namespace

digest login_transcript(byte_view client_hello, byte_view server_hello) {
  return sha256({as_bytes(transcript_label), client_hello, server_hello});
}

wire::proof client_proof(byte_view client_key, const channel_binding& cb, const digest& transcript) {
  return hmac_sha256(client_key, {as_bytes(client_label), cb, transcript});
}

wire::proof server_proof(byte_view server_key, const channel_binding& cb, const digest& transcript,
                         const wire::proof& of_client) {
  return hmac_sha256(server_key, {as_bytes(server_label), cb, transcript, of_client});
}

client_handshake::client_handshake(const keyring& keys, const parameters& p)
    : key_(chosen(keys, p.with)), parameters_(p) {
  hello_ = wire::encode_client_hello(make_hello(key_, p));
}

std::error_code client_handshake::fail(errc code, std::string reason) {
  stage_ = stage::over;
  reason_ = std::move(reason);
  return make_error_code(code);
}

// AUTH_FAIL proves nothing about who sent it, so it decides about this one connection and about nothing else.
std::error_code client_handshake::on_refusal(byte_view message) {
  const auto refusal = wire::decode_auth_fail(message);
  if (!refusal)
    return fail(errc::bad_message, "the other side does not speak pp's login: is something else listening there?");
  switch (refusal->code) {
    case wire::login_refusal::version: {
      const auto min = static_cast<std::uint8_t>(refusal->detail >> 8U);
      const auto max = static_cast<std::uint8_t>(refusal->detail);
      return fail(errc::version_mismatch, "the node speaks protocol " + range_text(min, max) + ", this program " +
                                              range_text(wire::protocol_min, wire::protocol_max) +
                                              ": install the newer pp on the older side");
    }
    case wire::login_refusal::busy: return fail(errc::overloaded, "the node takes no more clients for now");
    case wire::login_refusal::draining: return fail(errc::shutting_down, "the node is shutting down");
    case wire::login_refusal::authentication: break;
  }
  return fail(errc::refused, "the node does not hold key " + key_.id_text() +
                                 " (or does not allow it): give both sides the same key, see `ppserver key export`");
}

result<bytes> client_handshake::on_server_hello(byte_view message, const channel_binding& cb) {
  if (stage_ != stage::hello_made) return fail(errc::bad_message, "a login message out of turn");
  const auto hello = wire::decode_server_hello(message);
  if (!hello) return on_refusal(message);
  if (hello->nonce == parameters_.fresh) {
    return fail(errc::refused, "the other side sends our own number back: it is an echo, not a node");
  }
  if (hello->proto < wire::protocol_min || hello->proto > wire::protocol_max) {
    return fail(errc::version_mismatch, "the node chose protocol " + range_text(hello->proto, hello->proto) +
                                            ", this program speaks " +
                                            range_text(wire::protocol_min, wire::protocol_max));
  }
  if (hello->role != static_cast<std::uint8_t>(parameters_.as) || hello->key_id != key_.id()) {
    return fail(errc::refused, "the node answered for another key or role than it was asked for");
  }
  const auto& wanted = parameters_.expected_node;
  if (wanted != node_id{} && wanted != hello->node_id) {
    return fail(errc::refused,
                "node " + to_hex(hello->node_id) + " answers where node " + to_hex(wanted) + " was expected");
  }
  const auto transcript = login_transcript(hello_, message);
  const auto proof = client_proof(key_.client(parameters_.as), cb, transcript);
  expected_proof_ = server_proof(key_.server(parameters_.as), cb, transcript, proof);
  node_ = {hello->node_id, hello->boot_id, hello->proto, hello->features, hello->max_frame};
  stage_ = stage::proof_sent;
  return wire::encode_proof(wire::login_type::client_proof, proof);
}

result<proved_node> client_handshake::on_server_proof(byte_view message) {
  if (stage_ != stage::proof_sent) return fail(errc::bad_message, "a login message out of turn");
  const auto proof = wire::decode_proof(wire::login_type::server_proof, message);
  if (!proof) return on_refusal(message);
  const bool right = constant_time_equal(*proof, expected_proof_);
  erase(expected_proof_);
  if (!right) {
    return fail(errc::refused, "the node did not prove that it holds key " + key_.id_text() +
                                   ": it has another key, or somebody sits in between");
  }
  stage_ = stage::over;
  return node_;
}

server_handshake::server_handshake(const keyring& keys, const parameters& p) : keys_(keys), parameters_(p) {
  PP_CHECK(p.dummy_key != nullptr && p.dummy_key->size() == digest_size);
}

server_handshake::step server_handshake::refuse(wire::auth_fail answer, std::string reason) {
  stage_ = stage::over;
  reason_ = std::move(reason);
  return {wire::encode_auth_fail(answer), true};
}

server_handshake::step server_handshake::drop(std::string reason) {
  stage_ = stage::over;
  reason_ = std::move(reason);
  return {{}, true};
}

// The order of checks is that of docs/protocol.md; nothing about keys is answered before the client's proof.
server_handshake::step server_handshake::on_client_hello(byte_view message) {
  if (stage_ != stage::awaiting_hello) return drop("a login message out of turn");
  const auto versions = wire::decode_client_versions(message);
  if (!versions) return drop("malformed CLIENT_HELLO");
  if (versions->max < wire::protocol_min || versions->min > wire::protocol_max) {
    const auto ours = static_cast<std::uint16_t>(wire::protocol_min << 8U | wire::protocol_max);
    return refuse({wire::login_refusal::version, ours}, "no common protocol: the client speaks " +
                                                            range_text(versions->min, versions->max) + ", this node " +
                                                            range_text(wire::protocol_min, wire::protocol_max));
  }
  const auto hello = wire::decode_client_hello(message);
  if (!hello) return drop("malformed CLIENT_HELLO");
  if (hello->nonce == parameters_.fresh) return drop("the client sends our own number back");

  client_ = {hello->client_id, hello->key_id, {}, static_cast<role>(hello->role), hello->features};
  bytes answer = answer_to(*hello);
  transcript_ = login_transcript(message, answer);
  stage_ = stage::awaiting_proof;
  return {std::move(answer), false};
}

bytes server_handshake::answer_to(const wire::client_hello& hello) const {
  wire::server_hello answer;
  answer.proto = std::min(hello.proto_max, wire::protocol_max);
  answer.role = hello.role;
  answer.key_id = hello.key_id;
  answer.node_id = parameters_.id;
  answer.nonce = parameters_.fresh;
  answer.boot_id = parameters_.boot_id;
  answer.features = parameters_.features;
  answer.max_frame = parameters_.max_frame;
  return wire::encode_server_hello(answer);
}

server_handshake::step server_handshake::on_client_proof(byte_view message, const channel_binding& cb) {
  if (stage_ != stage::awaiting_proof) return drop("a login message out of turn");
  const auto proof = wire::decode_proof(wire::login_type::client_proof, message);
  if (!proof) return drop("malformed CLIENT_PROOF");
  // Looked up only now: the keyring may have been read again since the hello, and a key that is gone must not get in.
  const key* known = keys_.find(client_.with);
  // An unknown key is checked against a random one: the same work, the same answer, the same moment.
  const byte_view checked_with = known != nullptr ? known->client(client_.as) : parameters_.dummy_key->view();
  auto expected = client_proof(checked_with, cb, transcript_);
  const bool right = constant_time_equal(*proof, expected);
  erase(expected);
  if (!right || known == nullptr) {
    return refuse({}, (known == nullptr ? "unknown key " : "wrong proof with key ") + to_hex(client_.with));
  }
  if (parameters_.draining) return refuse({wire::login_refusal::draining, 0}, "this node is draining");
  stage_ = stage::over;
  client_.key_name = known->name();
  const auto answer = server_proof(known->server(client_.as), cb, transcript_, *proof);
  return {wire::encode_proof(wire::login_type::server_proof, answer), false};
}

}  // namespace pp::auth
