// docs/protocol.md against the code: its tables read the golden bytes as the code does, its numbers are the code's, and
// its vectors, which tools/protocol-vectors makes from its text alone, come out of the code byte for byte.
#include "tests/golden/protocol_document.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "auth/admission.hpp"
#include "auth/datagram.hpp"
#include "auth/handshake.hpp"
#include "auth/key_text.hpp"
#include "auth/passphrase.hpp"
#include "code/manifest.hpp"
#include "pp/error.hpp"
#include "wire/login.hpp"
#include "wire/message.hpp"
#include "wire/version.hpp"

namespace pp::test {
namespace {

const protocol_document& document() {
  static const protocol_document instance;
  return instance;
}

/// Without the commas of numbers, and as one line.
std::string plain(std::string text) {
  std::erase(text, ',');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

TEST(ProtocolDocument, TablesReadTheGoldenBytes) {
  for (const auto& file : golden_files()) {
    EXPECT_EQ(document().read(file.layout, file.raw), file.fields) << file.name;
  }
}

TEST(ProtocolDocument, SizesInHeadingsAreThoseOfTheCode) {
  EXPECT_EQ(document().size_of("login header"), wire::login_header_size);
  EXPECT_EQ(document().size_of("frame header"), wire::frame_header_size);
  EXPECT_EQ(document().size_of("datagram content"), wire::datagram_content_size);
  const auto body = [](wire::login_type t) { return wire::login_size(t) - wire::login_header_size; };
  EXPECT_EQ(document().size_of("CLIENT_HELLO"), body(wire::login_type::client_hello));
  EXPECT_EQ(document().size_of("SERVER_HELLO"), body(wire::login_type::server_hello));
  EXPECT_EQ(document().size_of("CLIENT_PROOF"), body(wire::login_type::client_proof));
  EXPECT_EQ(document().size_of("SERVER_PROOF"), body(wire::login_type::server_proof));
  EXPECT_EQ(document().size_of("AUTH_FAIL"), body(wire::login_type::auth_fail));
}

TEST(ProtocolDocument, MessageNumbersAreThoseOfTheCode) {
  using wire::message_type;
  const std::vector<std::pair<std::string, message_type>> expected = {
      {"WELCOME", message_type::welcome},
      {"CREDIT", message_type::credit},
      {"IMAGE", message_type::image},
      {"NEED", message_type::need},
      {"CHUNK", message_type::chunk},
      {"UNFIT", message_type::unfit},
      {"SUBMIT", message_type::submit},
      {"RESULT", message_type::result},
      {"CANCEL", message_type::cancel},
      {"PING", message_type::ping},
      {"PONG", message_type::pong},
      {"GOODBYE", message_type::goodbye},
      {"UNSUPPORTED", message_type::unsupported},
      {"STATS_QUERY", message_type::stats_query},
      {"STATS", message_type::stats},
      {"READY", message_type::ready},
      {"DRAIN", message_type::drain},
      {"LENT", message_type::lent},
      {"CHECK_IN", message_type::check_in},
      {"HAVE", message_type::have},
      {"FETCH_FROM", message_type::fetch_from},
      {"FETCH", message_type::fetch},
      {"RESOURCES", message_type::resources},
      {"OFFER", message_type::offer},
      {"FUNCTIONS_QUERY", message_type::functions_query},
      {"FUNCTIONS", message_type::functions},
      {"VALUE", message_type::value},
      {"RELEASE", message_type::release},
  };
  const auto& rows = document().with_heading("number");
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i][1], expected[i].first);
    EXPECT_EQ(std::stoi(rows[i][0]), static_cast<int>(expected[i].second)) << rows[i][1];
    EXPECT_TRUE(document().has_layout(rows[i][1])) << rows[i][1];
  }
}

TEST(ProtocolDocument, CodesAreThoseOfTheCode) {
  const std::map<std::string, int> expected = {
      {"disconnected", static_cast<int>(errc::disconnected)},
      {"overloaded", static_cast<int>(errc::overloaded)},
      {"shutting_down", static_cast<int>(errc::shutting_down)},
      {"no_nodes", static_cast<int>(errc::no_nodes)},
      {"job_threw", static_cast<int>(errc::job_threw)},
      {"worker_crashed", static_cast<int>(errc::worker_crashed)},
      {"timed_out", static_cast<int>(errc::timed_out)},
      {"memory_limit", static_cast<int>(errc::memory_limit)},
      {"cancelled", static_cast<int>(errc::cancelled)},
      {"result_too_large", static_cast<int>(errc::result_too_large)},
      {"dependency_failed", static_cast<int>(errc::dependency_failed)},
      {"outcome_unknown", static_cast<int>(errc::outcome_unknown)},
      {"refused", static_cast<int>(errc::refused)},
      {"version_mismatch", static_cast<int>(errc::version_mismatch)},
      {"unfit_node", static_cast<int>(errc::unfit_node)},
      {"bad_message", static_cast<int>(errc::bad_message)},
      {"closed", static_cast<int>(errc::closed)},
      {"not_started", wire::code_not_started},
  };
  std::map<std::string, int> stated;
  for (const auto& row : document().with_heading("code")) stated[row[1]] = std::stoi(row[0]);
  EXPECT_EQ(stated, expected);
}

TEST(ProtocolDocument, LimitsBeforeLoginAreThoseOfTheCode) {
  const auth::admission::limits l;
  const auto ms = [](duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
  };
  const std::map<std::string, std::string> expected = {
      {"tries per connection", "1"},
      {"failure delay", ms(l.failure_delay)},
      {"failures burst", std::to_string(l.failure_burst)},
      {"failure refill", ms(l.failure_refill)},
      {"live source", "1 /s"},
      {"strangers", std::to_string(l.strangers)},
      {"strangers per source", std::to_string(l.strangers_per_source)},
      {"login rate", std::to_string(l.handshake_rate) + " /s"},
      {"login burst", std::to_string(l.handshake_burst)},
      {"first byte", ms(l.first_byte)},
      {"TLS done", ms(l.tls_done)},
      {"proved", ms(l.proved)},
      {"bytes before login", std::to_string(l.bytes_before_login)},
  };
  std::map<std::string, std::string> stated;
  for (const auto& row : document().with_heading("limit")) stated[row[0]] = row[1];
  EXPECT_EQ(stated, expected);
}

TEST(ProtocolDocument, LengthsInItsTextAreThoseOfTheCode) {
  const auto text = plain(read_whole(PP_SOURCE_DIR "/docs/protocol.md"));
  EXPECT_NE(text.find("at most " + std::to_string(wire::max_frame_payload) + " |"), std::string::npos);
  EXPECT_NE(text.find("at most " + std::to_string(wire::max_message_bytes) + " bytes"), std::string::npos);
  EXPECT_NE(text.find("at most " + std::to_string(wire::max_chunk_bytes) + " |"), std::string::npos);
  EXPECT_NE(text.find("modules 1 to " + std::to_string(code::max_modules)), std::string::npos);
}

TEST(ProtocolDocument, HistoryEndsWithThisVersion) {
  EXPECT_EQ(document().with_heading("version").back()[0], std::to_string(wire::protocol_max));
}

// --- the vectors -----------------------------------------------------------------------------------------------------

std::string stated(const std::string& name) { return document().vectors().at(name); }
bytes stated_bytes(const std::string& name) { return from_hex(stated(name)); }
template <std::size_t N>
std::array<std::uint8_t, N> stated_array(const std::string& name) {
  return reader(stated_bytes(name)).array<N>();
}
auth::key the_key() { return auth::key("document", auth::secret(stated_bytes("secret"))); }
template <std::size_t N>
std::array<std::uint8_t, N> named(std::string_view text) {
  return reader(byte_view(auth::sha256(as_bytes(text)))).array<N>();
}

TEST(ProtocolVectors, KeySchedule) {
  const auto key = the_key();
  EXPECT_EQ(to_hex(auth::hkdf_extract(as_bytes("pp/1"), stated_bytes("secret"))), stated("prk"));
  EXPECT_EQ(key.id_text(), stated("key_id"));
  EXPECT_EQ(to_hex(key.discovery()), stated("k_disc"));
  for (int r = 1; r <= 4; ++r) {
    EXPECT_EQ(to_hex(key.client(static_cast<auth::role>(r))), stated("k_c_" + std::to_string(r)));
    EXPECT_EQ(to_hex(key.server(static_cast<auth::role>(r))), stated("k_s_" + std::to_string(r)));
  }
}

TEST(ProtocolVectors, TextsOfTheKey) {
  const auth::secret raw(stated_bytes("secret"));
  EXPECT_EQ(as_text(auth::to_key_text(raw).view()), stated("key_text"));
  EXPECT_EQ(as_text(auth::to_base64url(raw).view()), stated("keyring_column"));
  EXPECT_EQ(to_hex(auth::stretch(stated("passphrase")).view()), stated("passphrase_secret"));
}

TEST(ProtocolVectors, Login) {
  std::vector<auth::key> keys;
  keys.push_back(the_key());
  const auth::keyring ring(std::move(keys));
  auth::client_handshake::parameters c;
  c.client_id = named<16>("client id");
  c.as = auth::role::observe;
  c.expected_node = named<16>("node id");
  c.fresh = named<32>("client nonce");
  auth::client_handshake client(ring, c);
  auth::secret dummy(32);
  auth::server_handshake::parameters s;
  s.id = named<16>("node id");
  s.boot_id = named<16>("boot id");
  s.fresh = named<32>("server nonce");
  s.dummy_key = &dummy;
  s.max_frame = 262144;
  auth::server_handshake server(ring, s);
  const auto cb = stated_array<32>("cb");

  EXPECT_EQ(to_hex(client.hello()), stated("client_hello"));
  const auto hello = server.on_client_hello(client.hello());
  EXPECT_EQ(to_hex(hello.send), stated("server_hello"));
  EXPECT_EQ(to_hex(auth::login_transcript(client.hello(), hello.send)), stated("transcript"));
  const auto proof = client.on_server_hello(hello.send, cb);
  ASSERT_TRUE(proof.has_value()) << client.reason();
  EXPECT_EQ(to_hex(*proof), stated("client_proof"));
  const auto answer = server.on_client_proof(*proof, cb);
  EXPECT_EQ(to_hex(answer.send), stated("server_proof"));
  EXPECT_TRUE(client.on_server_proof(answer.send).has_value());
  EXPECT_EQ(to_hex(wire::encode_auth_fail({wire::login_refusal::version, 0x0101})), stated("auth_fail_version"));
}

wire::announce announce_of_the_document() {
  wire::announce m;
  m.draining = true;
  m.node_id = named<16>("node id");
  m.boot_id = named<16>("boot id");
  m.seq = 41;
  m.unix_ms = 1795370400123;
  m.tcp_port = 60000;
  m.proto_min = m.proto_max = 1;
  m.slots = 16;
  m.free = 9;
  m.load_milli = 2125;
  m.mem_free_mib = 7654;
  m.name = "node-b";
  m.addresses = {{4, {198, 51, 100, 7}}, {6, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}}};
  return m;
}

TEST(ProtocolVectors, Datagrams) {
  auto m = announce_of_the_document();
  EXPECT_EQ(to_hex(auth::seal_announce(m, the_key())), stated("announce"));
  m.type = wire::announce_type::query;
  m.draining = false;
  m.node_id = named<16>("client id");
  m.nonce = named<16>("query nonce");
  m.name.clear();
  m.addresses.clear();
  EXPECT_EQ(to_hex(auth::seal_announce(m, the_key())), stated("query"));
}

}  // namespace
}  // namespace pp::test
