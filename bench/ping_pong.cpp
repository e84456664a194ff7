#include "bench/ping_pong.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "bench/certificate.hpp"
#include "bench/figures.hpp"

namespace bench {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  return a;
}

void at_once(int socket) {
  const int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

bool read_all(SSL* s, char* into, int bytes) {
  for (int have = 0; have < bytes;) {
    const int got = SSL_read(s, into + have, bytes - have);
    if (got <= 0) return false;
    have += got;
  }
  return true;
}

void answer(int socket, SSL_CTX* context) {
  at_once(socket);
  SSL* s = SSL_new(context);
  SSL_set_fd(s, socket);
  char message[ping_bytes];
  if (SSL_accept(s) == 1) {
    while (read_all(s, message, ping_bytes) && SSL_write(s, message, ping_bytes) > 0) {
    }
  }
  SSL_free(s);
  close(socket);
}

// Puts this thread on the first core it may use and the other process on the second, until it goes.
class placed {
 public:
  placed(pid_t other, placement where) : other_(other) {
    sched_getaffinity(0, sizeof before_, &before_);
    if (where == placement::as_it_likes) return;
    int first = 0;
    while (first < CPU_SETSIZE && !CPU_ISSET(first, &before_)) ++first;
    int second = first + 1;
    while (second < CPU_SETSIZE && !CPU_ISSET(second, &before_)) ++second;
    put(0, first);
    put(other_, second < CPU_SETSIZE ? second : first);
  }
  placed(const placed&) = delete;
  placed& operator=(const placed&) = delete;
  ~placed() {
    sched_setaffinity(0, sizeof before_, &before_);
    sched_setaffinity(other_, sizeof before_, &before_);
  }

 private:
  static void put(pid_t process, int core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(process, sizeof one, &one);
  }
  pid_t other_;
  cpu_set_t before_{};
};

void end_with_stdin() {
  std::thread([] {
    while (std::getchar() != EOF) {
    }
    std::_Exit(0);
  }).detach();
}

}  // namespace

int serve_tls_ping(int, char**) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  use_self_signed(context);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 4) != 0) return 1;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  end_with_stdin();
  for (;;) {
    const int socket = accept(listener, nullptr, nullptr);
    if (socket < 0) return 1;
    answer(socket, context);
  }
}

tls_ping::tls_ping(std::uint16_t port, pid_t server)
    : context_(SSL_CTX_new(TLS_client_method())),
      socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      server_(server) {
  const auto address = loopback(port);
  SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256");
  connection_ = SSL_new(context_);
  SSL_set_fd(connection_, socket_);
  at_once(socket_);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      SSL_connect(connection_) != 1)
    throw std::runtime_error("no connection to the raw TLS helper");
}

tls_ping::~tls_ping() {
  SSL_free(connection_);
  SSL_CTX_free(context_);
  close(socket_);
}

std::vector<double> tls_ping::round_trips(std::size_t count, placement where) {
  const placed here(server_, where);
  char message[ping_bytes] = {};
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    if (SSL_write(connection_, message, ping_bytes) <= 0 || !read_all(connection_, message, ping_bytes))
      throw std::runtime_error("the raw TLS helper went away");
    micros.push_back(micros_since(start));
  }
  return micros;
}

pair_ping::pair_ping() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("no socket pair");
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char message[ping_bytes];
    close(ends[0]);
    while (read(ends[1], message, ping_bytes) == static_cast<ssize_t>(ping_bytes)) {
      if (write(ends[1], message, ping_bytes) != static_cast<ssize_t>(ping_bytes)) break;
    }
    std::_Exit(0);
  }
  close(ends[1]);
  socket_ = ends[0];
}

pair_ping::~pair_ping() {
  close(socket_);
  waitpid(pid_, nullptr, 0);
}

std::vector<double> pair_ping::round_trips(std::size_t count, placement where) {
  const placed here(pid_, where);
  char message[ping_bytes] = {};
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    if (write(socket_, message, ping_bytes) < 0 || read(socket_, message, ping_bytes) < 0)
      throw std::runtime_error("the other end of the socket pair went away");
    micros.push_back(micros_since(start));
  }
  return micros;
}

}  // namespace bench
