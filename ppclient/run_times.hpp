// How long jobs usually run, and how fast each node is with them.
//
// Promises: every kind of job (a function of a program) has a mean of its latest run times; a node's speed is measured against
// the means of what it ran, so that nodes that were given different work can be compared. Jobs that hardly run at all say
// nothing about a node. A result costs one look into a table, none if it is of the same kind as the one before.
// Pure. Must not know: clocks, links, futures.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace pp::ppclient {

class run_times {
 public:
  using node_index = std::uint32_t;
  /// Shorter jobs are mostly the cost of starting one, and tell nothing about a node's speed.
  static constexpr std::uint32_t shortest_telling_us = 100;
  static constexpr std::uint64_t shortest_limit_us = 50'000;

  /// What runs alike: a number made of program and function.
  static std::uint64_t kind_of(std::uint32_t image, std::uint64_t decoder, std::uint64_t function) {
    return (function * 0x9E3779B97F4A7C15U ^ decoder) * 0x9E3779B97F4A7C15U + image;
  }

  /// A job of the kind ran so long on the node.
  void note(std::uint64_t kind, node_index node, std::uint32_t run_us);
  /// What runs longer than this is late: twice the mean, 50 ms at least; 0 = not known, too few of the kind have ended.
  std::uint64_t limit_us(std::uint64_t kind) const;
  /// 1 = as the mean of the nodes, 2 = in half the time; between 1/4 and 4, and 1 until it has shown more.
  double speed(node_index node) const;
  /// The same in sixteenths, and only if it is worth telling: it differs by more than an eighth from what was told before.
  /// 0 = nothing new.
  unsigned news_of(node_index node);

 private:
  struct mean {
    double value = 0;
    std::uint32_t count = 0;
    void add(double one, std::uint32_t memory) {
      if (count < memory) ++count;
      value += (one - value) / count;
    }
  };
  struct node_times {
    mean relative;  ///< run time / mean of its kind
    unsigned told = 16;
  };

  mean& mean_of(std::uint64_t kind);

  std::unordered_map<std::uint64_t, mean> kinds_;  ///< its entries stay where they are
  std::uint64_t last_kind_ = 0;
  mean* last_ = nullptr;
  std::vector<node_times> nodes_;
};

}  // namespace pp::ppclient
