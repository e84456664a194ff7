#include "auth/handshake.hpp"

#include <gtest/gtest.h>

#include "wire/version.hpp"

namespace pp::auth {
namespace {

keyring ring_of(std::initializer_list<std::uint8_t> seeds) {
  std::vector<key> keys;
  for (const auto seed : seeds) keys.emplace_back("key" + std::to_string(seed), secret(bytes(32, seed)));
  return keyring(std::move(keys));
}

template <std::size_t N>
std::array<std::uint8_t, N> filled(std::uint8_t with) {
  std::array<std::uint8_t, N> out{};
  out.fill(with);
  return out;
}

/// Both ends of one connection, as far as the test lets them get.
class login {
 public:
  login(const keyring& of_client, const keyring& of_server)
      : client_keys_(of_client), server_keys_(of_server), dummy_(bytes(32, 0xdd)) {
    c.client_id = filled<16>(1);
    c.fresh = filled<32>(2);
    s.id = filled<16>(3);
    s.boot_id = filled<16>(4);
    s.fresh = filled<32>(5);
    s.dummy_key = &dummy_;
    s.max_frame = 1000;
  }

  void start() {
    client.emplace(client_keys_, c);
    server.emplace(server_keys_, s);
  }
  /// True if both ends accept each other.
  bool run() {
    start();
    const auto hello = server->on_client_hello(client->hello());
    if (hello.failed) return false;
    const auto proof = client->on_server_hello(hello.send, client_cb);
    if (!proof) return false;
    const auto answer = server->on_client_proof(*proof, server_cb);
    return !answer.failed && client->on_server_proof(answer.send).has_value();
  }

  client_handshake::parameters c;
  server_handshake::parameters s;
  channel_binding client_cb = filled<32>(6), server_cb = filled<32>(6);
  std::optional<client_handshake> client;
  std::optional<server_handshake> server;

 private:
  const keyring& client_keys_;
  const keyring& server_keys_;
  secret dummy_;
};

const keyring& key_one() {
  static const keyring ring = ring_of({1});
  return ring;
}

TEST(Handshake, SameKeyProvesBothSides) {
  login l(key_one(), key_one());
  ASSERT_TRUE(l.run());
  EXPECT_EQ(l.server->client().id, filled<16>(1));
  EXPECT_EQ(l.server->client().with, key_one().proving().id());
  EXPECT_EQ(l.server->client().key_name, "key1");
  EXPECT_EQ(l.server->client().as, role::submit);
}

TEST(Handshake, ClientLearnsWhoTheNodeIs) {
  login l(key_one(), key_one());
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  const auto node = l.client->on_server_proof(l.server->on_client_proof(proof, l.server_cb).send).value();
  EXPECT_EQ(node.id, filled<16>(3));
  EXPECT_EQ(node.boot_id, filled<16>(4));
  EXPECT_EQ(node.protocol, wire::protocol_max);
  EXPECT_EQ(node.max_frame, 1000U);
}

TEST(Handshake, AnyKeyOfTheNodeVerifies) {
  const auto ring = ring_of({9, 8, 1});
  login l(key_one(), ring);
  EXPECT_TRUE(l.run());
}

TEST(Handshake, OnlyTheFirstKeyOfTheClientProves) {
  const auto ring = ring_of({9, 1});
  login l(ring, key_one());
  EXPECT_FALSE(l.run());
}

TEST(Handshake, EveryRoleHasKeysOfItsOwn) {
  for (const auto r : {role::submit, role::observe, role::admin, role::pair, role::peer}) {
    login l(key_one(), key_one());
    l.c.as = r;
    EXPECT_TRUE(l.run());
    EXPECT_EQ(l.server->client().as, r);
  }
}

// What a stranger sees must not tell an unknown key from a wrong proof.
TEST(Handshake, UnknownKeyAndWrongProofLookAlike) {
  const auto other = ring_of({2});
  login unknown(other, key_one());
  unknown.start();
  const auto hello = unknown.server->on_client_hello(unknown.client->hello());
  ASSERT_FALSE(hello.failed) << "nothing about keys is answered before the client's proof";
  const auto proof = unknown.client->on_server_hello(hello.send, unknown.client_cb).value();
  const auto refused = unknown.server->on_client_proof(proof, unknown.server_cb);

  login wrong(key_one(), key_one());
  wrong.start();
  wrong.server->on_client_hello(wrong.client->hello());
  const auto guess = wire::encode_proof(wire::login_type::client_proof, {});
  const auto refused_too = wrong.server->on_client_proof(guess, wrong.server_cb);

  EXPECT_TRUE(refused.failed);
  EXPECT_TRUE(refused_too.failed);
  EXPECT_EQ(refused.send, refused_too.send);
  EXPECT_EQ(unknown.server->reason(), "unknown key " + other.proving().id_text());
  EXPECT_EQ(wrong.server->reason(), "wrong proof with key " + key_one().proving().id_text());
  const auto told = unknown.client->on_server_proof(refused.send);
  EXPECT_EQ(told.error(), make_error_code(errc::refused));
  EXPECT_NE(unknown.client->reason().find("does not hold key " + other.proving().id_text()), std::string::npos);
}

TEST(Handshake, KeyRemovedBetweenHelloAndProofDoesNotGetIn) {
  auto changing = ring_of({1});
  login l(key_one(), changing);
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  changing = ring_of({2});
  EXPECT_TRUE(l.server->on_client_proof(proof, l.server_cb).failed);
}

TEST(Handshake, KeyringReadAgainBetweenHelloAndProofIsNoHindrance) {
  auto changing = ring_of({1});
  login l(key_one(), changing);
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  changing = ring_of({2, 1});
  EXPECT_FALSE(l.server->on_client_proof(proof, l.server_cb).failed);
}

TEST(Handshake, ProofMadeWithTheDummyKeyIsStillRefused) {
  const auto other = ring_of({2});
  login m(other, key_one());
  m.start();
  const auto hello = m.server->on_client_hello(m.client->hello());
  const auto transcript = login_transcript(m.client->hello(), hello.send);
  const auto proof = client_proof(bytes(32, 0xdd), m.server_cb, transcript);
  EXPECT_TRUE(m.server->on_client_proof(wire::encode_proof(wire::login_type::client_proof, proof), m.server_cb).failed);
}

TEST(Handshake, RelayWithTwoSessionsIsRefusedByTheNode) {
  login l(key_one(), key_one());
  l.server_cb = filled<32>(7);  // the relay's session with the node is another one
  EXPECT_FALSE(l.run());
  EXPECT_NE(l.server->reason().find("wrong proof"), std::string::npos);
}

TEST(Handshake, RelayWithTwoSessionsIsRefusedByTheClient) {
  // A relay that could make the node accept still cannot make its proof fit the client's session.
  login l(key_one(), key_one());
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  const auto transcript = login_transcript(l.client->hello(), hello.send);
  const auto of_client = wire::decode_proof(wire::login_type::client_proof, proof).value();
  const auto answer = server_proof(key_one().proving().server(role::submit), filled<32>(7), transcript, of_client);
  EXPECT_FALSE(l.client->on_server_proof(wire::encode_proof(wire::login_type::server_proof, answer)));
  EXPECT_NE(l.client->reason().find("somebody sits in between"), std::string::npos);
}

TEST(Handshake, EchoOfEachMessageIsRefused) {
  login l(key_one(), key_one());
  l.start();
  EXPECT_FALSE(l.client->on_server_hello(l.client->hello(), l.client_cb));

  login m(key_one(), key_one());
  m.start();
  const auto hello = m.server->on_client_hello(m.client->hello());
  auto proof = m.client->on_server_hello(hello.send, m.client_cb).value();
  EXPECT_FALSE(m.client->on_server_proof(proof));
}

TEST(Handshake, ASecondHelloOnOneConnectionIsRefused) {
  login l(key_one(), key_one());
  l.start();
  ASSERT_FALSE(l.server->on_client_hello(l.client->hello()).failed);
  EXPECT_TRUE(l.server->on_client_hello(l.client->hello()).failed);
}

TEST(Handshake, ReflectionWithOurOwnNumbersIsRefused) {
  login l(key_one(), key_one());
  l.s.fresh = l.c.fresh;
  l.start();
  EXPECT_TRUE(l.server->on_client_hello(l.client->hello()).failed);

  // The same against a client: a fake node that turns the hello round.
  wire::server_hello mirror;
  mirror.proto = 1;
  mirror.role = 1;
  mirror.key_id = key_one().proving().id();
  mirror.nonce = l.c.fresh;
  EXPECT_EQ(l.client->on_server_hello(wire::encode_server_hello(mirror), l.client_cb).error(),
            make_error_code(errc::refused));
  EXPECT_NE(l.client->reason().find("echo"), std::string::npos);
}

TEST(Handshake, ClientProofSentBackAsServerProofIsRefused) {
  login l(key_one(), key_one());
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof =
      wire::decode_proof(wire::login_type::client_proof, *l.client->on_server_hello(hello.send, l.client_cb));
  EXPECT_FALSE(l.client->on_server_proof(wire::encode_proof(wire::login_type::server_proof, *proof)));
}

TEST(Handshake, AnotherNodeThanTheExpectedIsRefused) {
  login l(key_one(), key_one());
  l.c.expected_node = filled<16>(3);
  EXPECT_TRUE(l.run());
  l.c.expected_node = filled<16>(8);
  EXPECT_FALSE(l.run());
  EXPECT_NE(l.client->reason().find("answers where node"), std::string::npos);
}

TEST(Handshake, NodeThatAnswersForAnotherRoleIsRefused) {
  login l(key_one(), key_one());
  l.start();
  auto hello = wire::decode_server_hello(l.server->on_client_hello(l.client->hello()).send).value();
  hello.role = 3;
  EXPECT_FALSE(l.client->on_server_hello(wire::encode_server_hello(hello), l.client_cb));
}

TEST(Handshake, ProofWithTheKeyOfAnotherRoleIsRefused) {
  login l(key_one(), key_one());
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto transcript = login_transcript(l.client->hello(), hello.send);
  const auto proof = client_proof(key_one().proving().client(role::admin), l.server_cb, transcript);
  EXPECT_TRUE(l.server->on_client_proof(wire::encode_proof(wire::login_type::client_proof, proof), l.server_cb).failed);
}

TEST(Handshake, NoCommonVersionNamesBothRanges) {
  login l(key_one(), key_one());
  l.start();
  auto hello = l.client->hello();
  hello[wire::login_header_size] = 7;
  hello[wire::login_header_size + 1] = 9;
  const auto answer = l.server->on_client_hello(hello);
  EXPECT_TRUE(answer.failed);
  EXPECT_EQ(l.server->reason(), "no common protocol: the client speaks versions 7 to 9, this node version 1");
  EXPECT_EQ(l.client->on_server_hello(answer.send, l.client_cb).error(), make_error_code(errc::version_mismatch));
  EXPECT_NE(l.client->reason().find("the node speaks protocol version 1, this program version 1"), std::string::npos);
}

TEST(Handshake, VersionTheClientDoesNotSpeakIsRefused) {
  login l(key_one(), key_one());
  l.start();
  auto hello = wire::decode_server_hello(l.server->on_client_hello(l.client->hello()).send).value();
  hello.proto = wire::protocol_max + 1;
  const auto got = l.client->on_server_hello(wire::encode_server_hello(hello), l.client_cb);
  EXPECT_EQ(got.error(), make_error_code(errc::version_mismatch));
}

TEST(Handshake, DrainingIsToldOnlyToWhoHoldsTheKey) {
  login l(key_one(), key_one());
  l.s.draining = true;
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  ASSERT_FALSE(hello.failed);
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  const auto answer = l.server->on_client_proof(proof, l.server_cb);
  EXPECT_TRUE(answer.failed);
  EXPECT_EQ(l.client->on_server_proof(answer.send).error(), make_error_code(errc::shutting_down));

  const auto other = ring_of({2});
  login stranger(other, key_one());
  stranger.s.draining = true;
  stranger.start();
  const auto guess = stranger.client->on_server_hello(stranger.server->on_client_hello(stranger.client->hello()).send,
                                                      stranger.client_cb);
  const auto refused = stranger.server->on_client_proof(*guess, stranger.server_cb);
  EXPECT_EQ(wire::decode_auth_fail(refused.send)->code, wire::login_refusal::authentication);
}

TEST(Handshake, BusyIsAReasonToTryAgain) {
  login l(key_one(), key_one());
  l.start();
  const auto busy = wire::encode_auth_fail({wire::login_refusal::busy, 0});
  EXPECT_EQ(l.client->on_server_hello(busy, l.client_cb).error(), make_error_code(errc::overloaded));
}

TEST(Handshake, MessagesOutOfTurnAreRefused) {
  login l(key_one(), key_one());
  l.start();
  const auto proof = wire::encode_proof(wire::login_type::server_proof, {});
  EXPECT_FALSE(l.client->on_server_proof(proof)) << "before any SERVER_HELLO";
  EXPECT_FALSE(l.client->on_server_hello(l.server->on_client_hello(l.client->hello()).send, l.client_cb))
      << "after a failure";
  login m(key_one(), key_one());
  m.start();
  const auto step = m.server->on_client_proof(wire::encode_proof(wire::login_type::client_proof, {}), m.server_cb);
  EXPECT_TRUE(step.failed);
  EXPECT_TRUE(step.send.empty());
  EXPECT_TRUE(m.server->on_client_hello(m.client->hello()).failed) << "one try per connection";
}

TEST(Handshake, ASecondProofOnOneConnectionIsRefused) {
  login l(key_one(), key_one());
  l.start();
  const auto hello = l.server->on_client_hello(l.client->hello());
  const auto proof = l.client->on_server_hello(hello.send, l.client_cb).value();
  ASSERT_TRUE(l.server->on_client_proof(wire::encode_proof(wire::login_type::client_proof, {}), l.server_cb).failed);
  EXPECT_TRUE(l.server->on_client_proof(proof, l.server_cb).failed);
}

/// Runs a login in which bit `bit` of message `which` (0 to 3) is flipped on its way; true if both ends accept.
bool accepted_with_flipped_bit(int which, std::size_t bit) {
  login l(key_one(), key_one());
  l.start();
  const auto carried = [&](int number, bytes message) {
    if (number == which) message[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    return message;
  };
  const auto hello = l.server->on_client_hello(carried(0, l.client->hello()));
  if (hello.failed) return false;
  const auto proof = l.client->on_server_hello(carried(1, hello.send), l.client_cb);
  if (!proof) return false;
  const auto answer = l.server->on_client_proof(carried(2, *proof), l.server_cb);
  return !answer.failed && l.client->on_server_proof(carried(3, answer.send)).has_value();
}

TEST(Handshake, EveryBitOfEveryMessageCounts) {
  const std::size_t sizes[] = {wire::login_hello_size, wire::login_hello_size, wire::login_proof_size,
                               wire::login_proof_size};
  for (int which = 0; which < 4; ++which) {
    for (std::size_t bit = 0; bit < sizes[which] * 8; ++bit) {
      ASSERT_FALSE(accepted_with_flipped_bit(which, bit)) << "message " << which << " bit " << bit;
    }
  }
}

TEST(Handshake, TruncatedMessagesAreRefused) {
  login whole(key_one(), key_one());
  whole.start();
  for (std::size_t size = 0; size < wire::login_hello_size; ++size) {
    login l(key_one(), key_one());
    l.start();
    EXPECT_TRUE(l.server->on_client_hello(byte_view(whole.client->hello()).first(size)).failed) << size;
    EXPECT_FALSE(l.client->on_server_hello(byte_view(whole.client->hello()).first(size), l.client_cb)) << size;
  }
}

}  // namespace
}  // namespace pp::auth
