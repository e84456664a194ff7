// Runs an io_context so that what other processes put into shared memory is seen without a system call.
//
// Whoever shares memory with somebody (a worker's ring, the queue that callers submit to) registers as a poller. While
// the loop is awake it looks at the pollers; before it sleeps it arms them, and from then on the other side must wake
// it through a descriptor or a posted handler. After work the loop looks on for a moment before it sleeps (base/spin),
// unless somebody forbids it.
// Promises: nothing that was there before arm() is missed. Threads: the thread that runs the loop.
// Must not know: what the pollers look at.
#pragma once

#include <vector>

#include "base/spin.hpp"
#include "net/asio.hpp"

namespace pp::net {

class poller {
 public:
  virtual ~poller() = default;
  /// Takes what is there; true if there was something.
  virtual bool poll() = 0;
  /// From now on the other side wakes the loop. False if something is there already.
  virtual bool arm() = 0;
  /// The loop is awake: waking it is not needed.
  virtual void disarm() = 0;
};

/// The pollers of one io_context.
class poll_list final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;  // Asio's way to find a service; the name is Asio's
  explicit poll_list(asio::execution_context& context) : service(context) {}
  static poll_list& of(const executor& ex);

  void add(poller& p) { all_.push_back(&p); }
  void remove(poller& p);
  /// True while run() below looks after the pollers; else they must arm themselves.
  bool is_looked_after() const { return is_looked_after_; }
  /// A core belongs to a long job: no looking until every ban is lifted.
  void ban_spinning() { ++bans_; }
  void allow_spinning() { --bans_; }
  /// So many messages were taken; after many the loop does not look (base/spin).
  void note_work(std::size_t messages) { work_ += static_cast<unsigned>(messages); }

 private:
  friend void run(io_context& io, duration spin);
  void shutdown() override {}
  bool poll();
  bool arm();
  void disarm();

  std::vector<poller*> all_;
  unsigned bans_ = 0;
  unsigned work_ = 0;  ///< since the loop asked last
  bool is_looked_after_ = false;
};

/// Like io.run(), with the pollers. `spin` = how long to look before sleeping, zero = never.
void run(io_context& io, duration spin);

}  // namespace pp::net
