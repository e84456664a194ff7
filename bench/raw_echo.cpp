#include "bench/raw_echo.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include <openssl/x509.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "bench/figures.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using tls_stream = asio::ssl::stream<tcp::socket>;
constexpr std::size_t buffer_size = 256 * 1024;

void use_self_signed(SSL_CTX* context) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

// Answers every whole small message, all that one read gave in one write.
void echo_small(tls_stream& s) {
  std::vector<char> buffer(buffer_size);
  std::size_t have = 0;
  for (;;) {
    have += s.read_some(asio::buffer(buffer.data() + have, buffer.size() - have));
    const std::size_t whole = have / raw_echo::small_message * raw_echo::small_message;
    if (whole == 0) continue;
    asio::write(s, asio::buffer(buffer.data(), whole));
    std::memmove(buffer.data(), buffer.data() + whole, have - whole);
    have -= whole;
  }
}

// Answers a block when it is complete, as a job does with its argument.
void echo_blocks(tls_stream& s) {
  std::uint64_t size = 0;
  asio::read(s, asio::buffer(&size, sizeof size));
  std::vector<char> block(size);
  for (;;) {
    asio::read(s, asio::buffer(block));
    asio::write(s, asio::buffer(block));
  }
}

void serve(tcp::socket socket, asio::ssl::context& context) try {
  socket.set_option(tcp::no_delay(true));
  tls_stream s(std::move(socket), context);
  s.handshake(asio::ssl::stream_base::server);
  char mode = 0;
  asio::read(s, asio::buffer(&mode, 1));
  mode == 's' ? echo_small(s) : echo_blocks(s);
} catch (const std::exception&) {
  // The client went: the usual end of a connection.
}

}  // namespace

int serve_raw_echo() {
  asio::ssl::context context(asio::ssl::context::tlsv13_server);
  use_self_signed(context.native_handle());
  asio::io_context io;
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::printf("%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  std::thread([] {
    while (std::getchar() != EOF) {
    }
    std::_Exit(0);
  }).detach();
  for (;;) serve(acceptor.accept(), context);
}

struct raw_echo::connection {
  connection(std::uint16_t port, char mode) : context(asio::ssl::context::tlsv13_client), stream(io, context) {
    SSL_CTX_set_ciphersuites(context.native_handle(), "TLS_AES_128_GCM_SHA256");
    stream.next_layer().connect({asio::ip::address_v4::loopback(), port});
    stream.next_layer().set_option(tcp::no_delay(true));
    stream.handshake(asio::ssl::stream_base::client);
    asio::write(stream, asio::buffer(&mode, 1));
  }
  asio::io_context io;
  asio::ssl::context context;
  tls_stream stream;
};

raw_echo::raw_echo(std::uint16_t port) : port_(port) {}
raw_echo::~raw_echo() = default;

std::vector<double> raw_echo::round_trips(std::size_t count) {
  connection c(port_, 's');
  char message[small_message] = {};
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    asio::write(c.stream, asio::buffer(message));
    asio::read(c.stream, asio::buffer(message));
    micros.push_back(seconds_since(start) * 1e6);
  }
  return micros;
}

double raw_echo::messages_per_second(std::size_t count, std::size_t window) {
  connection c(port_, 's');
  std::vector<char> out(window * small_message), in(buffer_size);
  std::size_t sent = std::min(window, count), received = 0;
  const auto start = steady::now();
  asio::write(c.stream, asio::buffer(out.data(), sent * small_message));
  while (received < count * small_message) {
    const std::size_t before = received / small_message;
    received += c.stream.read_some(asio::buffer(in));
    const std::size_t more = std::min(received / small_message - before, count - sent);
    if (more > 0) asio::write(c.stream, asio::buffer(out.data(), more * small_message));
    sent += more;
  }
  return static_cast<double>(count) / seconds_since(start);
}

double raw_echo::block_rate(const std::vector<std::uint8_t>& block, std::size_t count) {
  connection c(port_, 'b');
  const std::uint64_t size = block.size();
  std::vector<std::uint8_t> back(block.size());
  asio::write(c.stream, asio::buffer(&size, sizeof size));
  const auto start = steady::now();
  for (std::size_t i = 0; i < count; ++i) {
    asio::write(c.stream, asio::buffer(block));
    asio::read(c.stream, asio::buffer(back));
  }
  if (back != block) throw std::runtime_error("the raw echo changed the block");
  return static_cast<double>(size * count) / seconds_since(start) / 1e6;
}

}  // namespace bench
