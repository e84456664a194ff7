// The limits of the machine for a round trip: 64 bytes there and back between two processes, by plain blocking calls.
//
// Nothing but the system and OpenSSL is in the way: what a job server adds to these figures is its own. The kernel puts both ends
// on one core or on two as it likes, and the figures differ tenfold. The limit we compare with has them on two, because client
// and node of a network never share a core; the other figure is printed beside it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include <openssl/ssl.h>

namespace bench {

inline constexpr std::size_t ping_bytes = 64;

enum class placement { two_cores, as_it_likes };

/// Answers each 64 bytes over TLS on a loopback port, which it prints; ends when stdin does. A role of the program.
int serve_tls_ping(int argc, char** argv);

/// A blocking TLS connection to a process that runs serve_tls_ping().
class tls_ping {
 public:
  tls_ping(std::uint16_t port, pid_t server);
  tls_ping(const tls_ping&) = delete;
  tls_ping& operator=(const tls_ping&) = delete;
  ~tls_ping();
  /// In microseconds, each.
  std::vector<double> round_trips(std::size_t count, placement where);

 private:
  SSL_CTX* context_ = nullptr;
  SSL* connection_ = nullptr;
  int socket_ = -1;
  pid_t server_ = -1;
};

/// A process at the other end of a socket pair. Made before any thread is started, because it forks.
class pair_ping {
 public:
  pair_ping();
  pair_ping(const pair_ping&) = delete;
  pair_ping& operator=(const pair_ping&) = delete;
  ~pair_ping();
  std::vector<double> round_trips(std::size_t count, placement where);

 private:
  int socket_ = -1;
  pid_t pid_ = -1;
};

}  // namespace bench
