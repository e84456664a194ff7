// What the machine can do at best over TLS 1.3 without any job: an echo of blocking Asio streams over loopback, the server in a
// process of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace bench {

/// Runs the server: prints its port as one line on stdout, serves until stdin ends. Returns the exit status.
int serve_raw_echo();

class raw_echo {
 public:
  explicit raw_echo(std::uint16_t port);
  ~raw_echo();

  static constexpr std::size_t small_message = 64;
  /// Microseconds of each of `count` round trips of one small message.
  std::vector<double> round_trips(std::size_t count);
  /// Small messages a second, `window` of them in flight, written and read in batches.
  double messages_per_second(std::size_t count, std::size_t window);
  /// 10^6 bytes a second, one way, for whole blocks sent there and back `count` times.
  double block_rate(const std::vector<std::uint8_t>& block, std::size_t count);

 private:
  struct connection;
  std::uint16_t port_;
};

}  // namespace bench
