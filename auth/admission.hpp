// How much a stranger may cost us: connections, bytes, tries, per source and in all.
//
// Promises: pure; `now` is a parameter. Every number is from docs/security.md (limits before login) and stands in
// `limits`.
// Must not know: sockets.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"

namespace pp::auth {

/// An address cut to what counts as one source: IPv4 /32, IPv6 /64.
struct source {
  std::array<std::uint8_t, 16> prefix{};
  bool operator==(const source&) const = default;
};
/// IPv4 as its 4 bytes, IPv6 as 16 (IPv4-mapped counts as IPv4); other sizes give the zero source.
source source_of(const std::uint8_t* address, std::size_t size);

class admission {
 public:
  struct limits {
    unsigned strangers = 256;  ///< connections before login, in all
    unsigned strangers_per_source = 32;
    unsigned failure_burst = 5;  ///< per source
    duration failure_refill = std::chrono::seconds(2);
    unsigned handshake_rate = 100;  ///< per second, all sources together
    unsigned handshake_burst = 200;
    duration first_byte = std::chrono::seconds(3);
    duration tls_done = std::chrono::seconds(5);
    duration proved = std::chrono::seconds(8);
    std::size_t bytes_before_login = 16 * 1024;
    duration failure_delay = std::chrono::milliseconds(300);
    duration log_interval = std::chrono::seconds(10);
  };
  using ticket = std::uint64_t;  ///< one stranger's connection; 0 = refused

  struct verdict {
    ticket admitted = 0;            ///< 0: reset the connection without any TLS work
    ticket evict = 0;               ///< not 0: drop this older stranger to make room
    const char* refusal = nullptr;  ///< for the log
  };

  explicit admission(const limits& l) : limits_(l) {}
  admission() : admission(limits{}) {}

  verdict on_accept(const source& from, time_point now);
  /// The stranger proved itself: it no longer counts as one.
  void on_proved(ticket t, time_point now);
  /// A wrong proof, a malformed message or a deadline: it counts against its source.
  void on_failed(ticket t, time_point now);
  /// The connection went away before it proved or failed, or (after on_proved) its session ended. A ticket that failed
  /// or was evicted may be closed as well; nothing happens.
  void on_closed(ticket t, time_point now);
  /// Whether to write a log line about this source now, and how many were swallowed since the last one.
  struct log_decision {
    bool write = false;
    std::uint64_t swallowed = 0;
  };
  log_decision may_log(const source& from, time_point now);

  const limits& numbers() const { return limits_; }
  unsigned strangers() const;

 private:
  /// A token bucket: `level` tokens at time `at`.
  struct bucket {
    double level = 0;
    time_point at{};
    void refill(double per_second, double most, time_point now);
  };
  struct entry {
    unsigned strangers = 0;
    unsigned sessions = 0;
    bucket failures, session_pace;
    std::optional<time_point> logged;
    std::uint64_t swallowed = 0;
  };
  struct hash {
    std::size_t operator()(const source& s) const;
  };

  entry& entry_of(const source& from, time_point now);
  bool is_forgettable(entry& e, time_point now) const;
  void forget_some(time_point now);
  double failure_rate() const;
  const char* why_refused(entry& e, time_point now);
  ticket oldest_of_the_greediest() const;
  entry* remove_stranger(ticket t);

  limits limits_;
  bool started_ = false;
  bucket handshakes_;
  ticket last_ticket_ = 0;
  std::map<ticket, source> strangers_;  ///< tickets count up, so the first is the oldest
  std::unordered_map<ticket, source> sessions_;
  std::unordered_map<source, entry, hash> sources_;
  std::list<source> order_;  ///< every source of the table once, for forgetting
  entry others_;             ///< the log entry shared when the table is full
};

}  // namespace pp::auth
