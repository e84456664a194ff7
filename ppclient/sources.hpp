// Who gets content from whom: from the client, from a node that has it, or later, from one that will soon have it.
//
// The first node gets it from the client; those that are near it get it from that one, then from each other, so that it
// spreads as a tree while the client sends it once. A node far from every holder gets it from the client, unless the client
// is busy sending. After one fetch in vain a node gets that content from the client.
// Promises: pure; a node that is told to wait is told something else when the nodes it waits for have it, failed or left, and
// in any case once it says that it has waited long enough. Must not know: links, programs, time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "wire/message.hpp"

namespace pp::ppclient {

class sources {
 public:
  using node = std::uint32_t;
  enum class way : std::uint8_t { client, peers, later };
  struct decision {
    way from = way::client;
    std::vector<wire::holder> holders = {};  ///< for way::peers, the best first
  };
  /// Fetches that name the same node first, at a time.
  static constexpr unsigned most_per_holder = 2;

  explicit sources(bool is_on) : is_on_(is_on) {}

  /// `takes_part`: it tells what it has and fetches what it is told to.
  void add(node n, const wire::holder& at, bool takes_part);
  void remove(node n);

  void on_have(node n, const wire::content_id& content);
  /// It lacks it now; if it was to fetch it, that was in vain.
  void on_need(node n, const wire::content_id& content);
  /// It does not have it any more, nor need it.
  void forget(node n, const wire::content_id& content);
  /// It will not finish what it was about to get.
  void on_unfit(node n);

  /// How `to` is to get it, which is taken as done: `client` as begun, `peers` as under way. Not `may_wait`: at once.
  decision decide(node to, const wire::content_id& content, std::uint64_t size, bool may_wait);
  /// The client has sent all of it.
  void on_sent(node to, const wire::content_id& content);

 private:
  enum class state : std::uint8_t { sending, sent, fetching, has, failed };
  struct known_node {
    wire::holder at;
    bool takes_part = false;
  };
  struct standing {
    state is = state::sending;
    node from = 0;  ///< while fetching: the first of the holders it was told
  };
  using standings = std::map<node, standing>;

  static bool is_near(const wire::holder& a, const wire::holder& b);
  static bool can_reach(const wire::holder& from, const wire::holder& to);
  bool is_client_sending() const;
  unsigned fetches_from(node n) const;
  decision from_holders(node to, const standings& all, bool& is_worth_waiting) const;
  bool will_come_near(node to, const standings& all) const;

  bool is_on_;
  std::map<node, known_node> nodes_;
  std::map<wire::content_id, standings> contents_;
};

}  // namespace pp::ppclient
