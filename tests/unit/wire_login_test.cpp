#include "wire/login.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

client_hello some_client_hello() {
  client_hello m;
  m.proto_min = 1;
  m.proto_max = 2;
  m.role = 3;
  m.features = 9;
  m.nonce.fill(7);
  return m;
}
server_hello some_server_hello() {
  server_hello m;
  m.proto = 1;
  m.role = 1;
  m.max_frame = 12;
  m.node_id.fill(5);
  return m;
}

/// Every whole message this protocol has, with its type.
std::vector<std::pair<login_type, bytes>> every_message() {
  return {{login_type::client_hello, encode_client_hello(some_client_hello())},
          {login_type::server_hello, encode_server_hello(some_server_hello())},
          {login_type::client_proof, encode_proof(login_type::client_proof, {})},
          {login_type::server_proof, encode_proof(login_type::server_proof, {})},
          {login_type::auth_fail, encode_auth_fail({})}};
}

TEST(Login, EveryMessageHasTheSizeOfItsType) {
  for (const auto& [type, message] : every_message()) {
    EXPECT_EQ(message.size(), login_size(type));
    EXPECT_EQ(*decode_login_header(message), type);
  }
}

TEST(Login, RoundTrips) {
  EXPECT_EQ(*decode_client_hello(encode_client_hello(some_client_hello())), some_client_hello());
  EXPECT_EQ(*decode_server_hello(encode_server_hello(some_server_hello())), some_server_hello());
  const auth_fail f{login_refusal::version, 0x0102};
  EXPECT_EQ(*decode_auth_fail(encode_auth_fail(f)), f);
}

TEST(LoginHeader, RejectsEverythingButTheFiveExactHeaders) {
  const auto good = encode_auth_fail({});
  for (std::size_t bit = 0; bit < login_header_size * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(decode_login_header(bad)) << bit;
  }
  EXPECT_FALSE(decode_login_header(byte_view(good).first(7)));
  EXPECT_FALSE(decode_login_header(from_hex("5050413100000004"))) << "type 0";
  EXPECT_FALSE(decode_login_header(from_hex("5050413106000004"))) << "type 6";
}

TEST(LoginDecode, EachMessageIsRefusedByTheOtherDecoders) {
  for (const auto& [type, message] : every_message()) {
    EXPECT_EQ(decode_client_hello(message).has_value(), type == login_type::client_hello);
    EXPECT_EQ(decode_server_hello(message).has_value(), type == login_type::server_hello);
    EXPECT_EQ(decode_proof(login_type::client_proof, message).has_value(), type == login_type::client_proof);
    EXPECT_EQ(decode_proof(login_type::server_proof, message).has_value(), type == login_type::server_proof);
    EXPECT_EQ(decode_auth_fail(message).has_value(), type == login_type::auth_fail);
  }
}

TEST(ClientHelloDecode, RejectsValuesThatDoNotExist) {
  const auto changed = [](std::size_t offset, std::uint8_t value) {
    auto message = encode_client_hello(some_client_hello());
    message[login_header_size + offset] = value;
    return decode_client_hello(message).has_value();
  };
  EXPECT_TRUE(changed(2, 4));
  EXPECT_FALSE(changed(0, 0)) << "version 0";
  EXPECT_FALSE(changed(0, 3)) << "lowest above highest";
  EXPECT_FALSE(changed(2, 0)) << "no role";
  EXPECT_FALSE(changed(2, 6)) << "role 6";
  EXPECT_FALSE(changed(3, 0)) << "no channel binding";
  EXPECT_FALSE(changed(7, 1)) << "a flag";
  EXPECT_FALSE(changed(95, 1)) << "a reserved byte";
}

TEST(ClientVersionsDecode, ReadsAHelloOfTheFuture) {
  auto message = encode_client_hello(some_client_hello());
  message[login_header_size] = 9;
  message[login_header_size + 1] = 12;
  message[login_header_size + 4] = 0x80;  // a flag that version 9 knows
  EXPECT_EQ(*decode_client_versions(message), (version_range{9, 12}));
}

TEST(AuthFailDecode, DetailBelongsToVersionsOnly) {
  EXPECT_FALSE(decode_auth_fail(encode_auth_fail({login_refusal::busy, 1})));
  EXPECT_FALSE(decode_auth_fail(from_hex("505041310500000400050000"))) << "code 5";
  EXPECT_FALSE(decode_auth_fail(from_hex("505041310500000400000000"))) << "code 0";
}

}  // namespace
}  // namespace pp::wire
