// One node that asks this one for content, from the first byte after the login to the last.
//
// Promises: it may ask for one content and say goodbye, nothing else; it gets no byte that did not come under its key; a peer
// that does not read, or asks for nothing, is gone after `patience`.
// Threads: the I/O thread only. Must not know: clients, jobs.
#pragma once

#include <optional>
#include <string>

#include "net/channel.hpp"
#include "ppserver/peers.hpp"

namespace pp::ppserver {

class peer_session final : net::channel::handler {
 public:
  peer_session(peers& of, std::unique_ptr<net::byte_stream> stream, auth::proved_client who, std::string address);

  /// Serves until the peer leaves or is sent away. Never throws.
  net::awaitable<void> run();
  void end() { channel_.close(); }
  const auth::key_id& key() const { return who_.with; }

 private:
  void on_message(const net::message& m) override;
  void on_writable() override { changed_.cancel(); }
  net::awaitable<void> answer();
  net::awaitable<void> give(wire::fetch order);
  net::awaitable<void> send_pieces(wire::fetch order, int file);
  net::awaitable<void> wait_for_change(time_point limit);
  net::awaitable<void> say_the_last();
  std::string why_not(const wire::fetch& order) const;
  void refuse(const wire::fetch& order, const std::string& reason);

  peers& of_;
  const auth::proved_client who_;
  const std::string address_;
  net::channel channel_;
  net::steady_timer changed_;  ///< cancelled when a message came or the channel has room
  std::optional<wire::fetch> order_;
  std::string refusal_;  ///< it did what a peer may not
  std::uint64_t given_ = 0;
};

}  // namespace pp::ppserver
