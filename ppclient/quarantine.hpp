// Which nodes fail jobs that others do not, and how long they are left out.
//
// A node is blamed for a job whose worker died there and which then succeeded at another node; a job that dies everywhere is
// blamed on nobody. Of the last 10 verdicts about a node (blamed, or a job succeeded there) at least 3 and more than half must be
// blame: then it is in quarantine for 60 s, and after that on trial: a success there makes it good again, a death or blame puts
// it back. Pure: the caller brings the time. Must not know: links, the scheduler (which keeps to it), jobs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace pp::ppclient {

class quarantine {
 public:
  using node_index = std::uint32_t;
  enum class state : std::uint8_t { good, on_trial, quarantined };
  static constexpr duration term = std::chrono::seconds(60);
  static constexpr unsigned remembered = 10, least_blame = 3;

  /// Each returns true if the state of the node is another one now.
  bool on_success(node_index node);
  /// A worker died there with a job. That alone says nothing, unless the node is on trial.
  bool on_death(node_index node, time_point at);
  /// What died there succeeded elsewhere.
  bool on_blame(node_index node, time_point at);
  /// Its term may be over.
  bool on_time(node_index node, time_point at);

  /// The node was lost and is back as `heir`, which nothing is known of yet: all that was known goes over to it.
  void inherit(node_index heir, node_index from);

  state state_of(node_index node) const { return node < nodes_.size() ? nodes_[node].is : state::good; }
  /// Of a node that is not good: in words, why and for how long.
  std::string reason(node_index node, time_point at) const;
  /// False as long as all are good: nothing needs the time.
  bool any() const { return not_good_ > 0; }
  std::size_t size() const { return nodes_.size(); }

 private:
  struct entry {
    std::uint16_t last = 0;  ///< a bit for each verdict, 1 = blame, the newest lowest
    std::uint8_t count = 0;
    state is = state::good;
    unsigned blamed = 0, of = 0;  ///< when it was put here
    time_point until{};
  };

  entry& at(node_index node);
  static void remember(entry& e, bool is_blame);
  bool put(entry& e, state what);
  bool confine(entry& e, time_point at);

  std::vector<entry> nodes_;
  unsigned not_good_ = 0;
};

}  // namespace pp::ppclient
