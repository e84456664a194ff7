// What somebody without the key gets: nothing, for a bounded time, at a bounded cost.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <vector>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// A bare TCP connection to a node.
class stranger {
 public:
  explicit stranger(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  stranger(const stranger&) = delete;
  stranger& operator=(const stranger&) = delete;
  ~stranger() { ::close(fd_); }

  void send(const std::string& text) { ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  /// Everything that comes until the node closes; `closed` tells whether it did within `limit`.
  std::string read_all(bool& closed, std::chrono::milliseconds limit = generous) {
    std::string all;
    const auto until = clock::now() + limit;
    for (closed = false; clock::now() < until;) {
      pollfd ready{fd_, POLLIN, 0};
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now());
      if (::poll(&ready, 1, static_cast<int>(left.count()) + 1) <= 0) break;
      char part[4096];
      const auto got = ::recv(fd_, part, sizeof part, 0);
      if (got <= 0) {
        closed = true;
        break;
      }
      all.append(part, static_cast<std::size_t>(got));
    }
    return all;
  }
  bool is_closed_now() {
    char byte = 0;
    const auto got = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }
  int descriptor() const { return fd_; }

 private:
  int fd_;
};

struct ssl_deleter {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
};

/// A TLS client of our own making; gives the result of SSL_connect.
struct tls_stranger {
  tls_stranger(stranger& on, int version, bool with_alpn) : context(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    session.reset(SSL_new(context.get()));
    constexpr unsigned char protocol[] = {4, 'p', 'p', '/', '1'};
    if (with_alpn) SSL_set_alpn_protos(session.get(), protocol, sizeof protocol);
    SSL_set_fd(session.get(), on.descriptor());
    result = SSL_connect(session.get());
  }
  std::unique_ptr<SSL_CTX, ssl_deleter> context;
  std::unique_ptr<SSL, ssl_deleter> session;
  int result = 0;
};

TEST(Strangers, ThatSpeakHttpGetNotOneByte) {
  const cluster c;
  const auto n = c.start_node("door");
  stranger s(n->port());
  s.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  bool closed = false;
  EXPECT_EQ(s.read_all(closed), "");
  EXPECT_TRUE(closed);
  EXPECT_TRUE(n->process().wait_for_err("does not speak TLS")) << n->log();
}

TEST(Strangers, ThatSendGarbageAfterATlsByteAreClosed) {
  const cluster c;
  const auto n = c.start_node("door");
  stranger s(n->port());
  s.send(std::string("\x16\x03\x01\x40\x00", 5) + std::string(4000, 'x'));
  bool closed = false;
  s.read_all(closed);
  EXPECT_TRUE(closed);
}

TEST(Strangers, ThatOfferAnOlderTlsOrNoAlpnGetNoSession) {
  const cluster c;
  const auto n = c.start_node("door");
  {
    stranger s(n->port());
    EXPECT_NE(tls_stranger(s, TLS1_2_VERSION, true).result, 1);
  }
  {
    stranger s(n->port());
    const auto began = clock::now();
    tls_stranger without(s, TLS1_3_VERSION, false);
    char byte = 0;
    EXPECT_TRUE(without.result != 1 || SSL_read(without.session.get(), &byte, 1) <= 0);
    EXPECT_LT(clock::now() - began, 5s) << "closed at once, not at the deadline for the proof";
  }
  stranger s(n->port());
  EXPECT_EQ(tls_stranger(s, TLS1_3_VERSION, true).result, 1) << "with both it is let in as far as the proof";
}

TEST(Strangers, ThatAreSilentOrSlowAreDroppedAtTheirDeadlines) {
  const cluster c;
  const auto n = c.start_node("door");
  const auto began = clock::now();
  stranger silent(n->port()), one_byte(n->port()), unproved(n->port());
  one_byte.send("\x16");
  tls_stranger tls(unproved, TLS1_3_VERSION, true);
  ASSERT_EQ(tls.result, 1);
  const std::string half_a_login = std::string("PPA1\x01\x00\x00\x60", 8) + std::string(50, 'x');
  SSL_write(tls.session.get(), half_a_login.data(), static_cast<int>(half_a_login.size()));
  bool closed = false;
  silent.read_all(closed);
  EXPECT_TRUE(closed);
  EXPECT_GE(clock::now() - began, 2900ms);
  one_byte.read_all(closed);
  EXPECT_TRUE(closed);
  EXPECT_GE(clock::now() - began, 4900ms);
  unproved.read_all(closed);
  EXPECT_TRUE(closed);
  EXPECT_GE(clock::now() - began, 7900ms);
  EXPECT_LE(clock::now() - began, 30s);
}

TEST(Strangers, ThatSendNonsenseInsteadOfALoginAreClosedAtOnce) {
  const cluster c;
  const auto n = c.start_node("door");
  const auto began = clock::now();
  stranger s(n->port());
  tls_stranger tls(s, TLS1_3_VERSION, true);
  ASSERT_EQ(tls.result, 1);
  const std::string flood(64 * 1024, 'x');
  SSL_write(tls.session.get(), flood.data(), static_cast<int>(flood.size()));
  bool closed = false;
  s.read_all(closed);
  EXPECT_TRUE(closed);
  EXPECT_LT(clock::now() - began, 5s);
}

TEST(Strangers, OfOneSourceAreThirtyTwoAtMost) {
  const cluster c;
  const auto n = c.start_node("door");
  std::vector<std::unique_ptr<stranger>> all;
  for (int i = 0; i < 40; ++i) all.push_back(std::make_unique<stranger>(n->port()));
  const auto closed = [&] {
    return std::count_if(all.begin(), all.end(), [](const auto& s) { return s->is_closed_now(); });
  };
  ASSERT_TRUE(wait_until([&] { return closed() >= 8; }, 2500ms)) << closed();
  EXPECT_EQ(closed(), 8) << "the other 32 may stay until their deadline";
  EXPECT_TRUE(wait_until([&] { return closed() == 40; }));
}

TEST(Strangers, AreLoggedInOneLineHoweverMany) {
  const cluster c;
  const auto n = c.start_node("door");
  for (int i = 0; i < 20; ++i) {
    stranger s(n->port());
    s.send("x");
    bool closed = false;
    s.read_all(closed);
    EXPECT_TRUE(closed);
  }
  const auto log = n->log();
  std::size_t lines = 0;
  for (auto at = log.find("\"refused\""); at != std::string::npos; at = log.find("\"refused\"", at + 1)) ++lines;
  EXPECT_GE(lines, 1U);
  EXPECT_LE(lines, 3U) << log;
}

}  // namespace
}  // namespace pp::test
