// A TCP proxy that misbehaves on demand: stalls, cuts at a byte, flips a bit. It sees only what goes over the wire.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace pp::test {

class relay {
 public:
  enum class direction { to_target, to_client };

  /// Listens on a port of 127.0.0.1 and forwards to another one.
  explicit relay(std::uint16_t target_port);
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;
  ~relay();

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  /// While true no byte is forwarded in either direction; connections stay open.
  void stall(bool on) { stalled_ = on; }
  /// Resets every connection once that many bytes went in that direction, counted over all connections.
  void cut_at(direction d, std::uint64_t byte) { cut_[index(d)] = byte; }
  /// Flips one bit of that byte of the direction's stream.
  void flip_bit_at(direction d, std::uint64_t byte) { flip_[index(d)] = byte; }
  /// Resets every connection now.
  void cut_now() { cut_now_ = true; }

  std::uint64_t bytes(direction d) const { return passed_[index(d)]; }
  unsigned connections() const { return connections_; }

 private:
  static std::size_t index(direction d) { return static_cast<std::size_t>(d); }
  void run();
  bool forward(int from, int to, direction d);
  void accept_one();

  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint16_t target_port_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stopping_{false}, stalled_{false}, cut_now_{false};
  std::atomic<std::uint64_t> cut_[2] = {never, never}, flip_[2] = {never, never}, passed_[2] = {0, 0};
  std::atomic<unsigned> connections_{0};
  std::vector<std::pair<int, int>> links_;  ///< the relay's thread only: client side, target side
  std::thread thread_;
};

}  // namespace pp::test
