// vectors.json was made by a program that knows nothing of this code: keys, login and datagrams must agree byte for
// byte.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auth/datagram.hpp"
#include "auth/handshake.hpp"
#include "auth/passphrase.hpp"

namespace pp::test {
namespace {

const nlohmann::json& vectors() {
  static const auto all = nlohmann::json::parse(std::ifstream(PP_TEST_DATA "/golden/vectors.json"));
  return all;
}
std::string text(const char* name) { return vectors().at(name).get<std::string>(); }
bytes raw(const char* name) { return from_hex(text(name)); }

auth::keyring the_keyring() {
  std::vector<auth::key> keys;
  keys.emplace_back("vectors", auth::secret(raw("secret")));
  return auth::keyring(std::move(keys));
}

template <std::size_t N>
std::array<std::uint8_t, N> counting_from(unsigned start) {
  std::array<std::uint8_t, N> out{};
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::uint8_t>(start + i);
  return out;
}

TEST(SharedVectors, KeySchedule) {
  const auto ring = the_keyring();
  const auto& stated = vectors().at("key_schedule");
  const auto& key = ring.proving();
  EXPECT_EQ(to_hex(auth::hkdf_extract(as_bytes("pp/1"), raw("secret"))), stated.at("prk"));
  EXPECT_EQ(key.id_text(), stated.at("key_id"));
  EXPECT_EQ(to_hex(key.discovery()), stated.at("k_disc"));
  EXPECT_EQ(to_hex(key.client(auth::role::submit)), stated.at("k_c"));
  EXPECT_EQ(to_hex(key.server(auth::role::submit)), stated.at("k_s"));
}

TEST(SharedVectors, Login) {
  const auto ring = the_keyring();
  auth::client_handshake::parameters c;
  c.client_id = counting_from<16>(0x10);
  c.fresh = counting_from<32>(0x20);
  auth::client_handshake client(ring, c);
  auth::secret dummy(32);
  auth::server_handshake::parameters s;
  s.id = counting_from<16>(0x40);
  s.boot_id = counting_from<16>(0x70);
  s.fresh = counting_from<32>(0x50);
  s.dummy_key = &dummy;
  s.max_frame = 16U << 20U;
  auth::server_handshake server(ring, s);
  const auto cb = counting_from<32>(0xA0);
  ASSERT_EQ(to_hex(cb), text("cb"));

  EXPECT_EQ(to_hex(client.hello()), text("client_hello"));
  const auto hello = server.on_client_hello(client.hello());
  EXPECT_EQ(to_hex(hello.send), text("server_hello"));
  EXPECT_EQ(to_hex(auth::login_transcript(client.hello(), hello.send)), text("transcript"));
  const auto proof = client.on_server_hello(hello.send, cb);
  ASSERT_TRUE(proof.has_value());
  EXPECT_EQ(to_hex(*proof), text("client_proof"));
  const auto answer = server.on_client_proof(*proof, cb);
  EXPECT_EQ(to_hex(answer.send), text("server_proof"));
  EXPECT_TRUE(client.on_server_proof(answer.send).has_value());
  EXPECT_EQ(to_hex(wire::encode_auth_fail({})), text("auth_fail_authentication"));
}

TEST(SharedVectors, Datagrams) {
  const auto ring = the_keyring();
  wire::announce m;
  m.node_id = counting_from<16>(0x40);
  m.boot_id = counting_from<16>(0x70);
  m.seq = 7;
  m.unix_ms = 1'700'000'000'000;
  m.tcp_port = 60000;
  m.proto_min = m.proto_max = 1;
  m.slots = 8;
  m.free = 5;
  m.load_milli = 1250;
  m.mem_free_mib = 4096;
  m.name = "node-a";
  m.addresses = {{4, {192, 0, 2, 9}}};
  EXPECT_EQ(to_hex(auth::seal_announce(m, ring.proving())), text("announce"));
  m.type = wire::announce_type::reply;
  m.nonce = counting_from<16>(0xC0);
  EXPECT_EQ(to_hex(auth::seal_announce(m, ring.proving())), text("reply"));
  auth::datagram_fault fault{};
  const auto opened = auth::open_announce(raw("reply"), ring, fault);
  ASSERT_TRUE(opened.has_value());
  m.key_id = ring.proving().id();
  EXPECT_EQ(*opened, m);
}

TEST(SharedVectors, Passphrase) {
  const auto& stated = vectors().at("passphrase");
  EXPECT_EQ(to_hex(auth::stretch(stated.at("text").get<std::string>()).view()), stated.at("secret"));
}

}  // namespace
}  // namespace pp::test
