// Nodes that have room for a job, the least loaded first: a heap with an index, so that a node's load may change at any time.
//
// Promises: the order is (node_load, then the node's number), exactly; set() and remove() cost the logarithm of the
// nodes here, first_of() looks at the nodes it must pass over and their children. Pure.
// Must not know: why a node is here.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace pp::ppclient {

/// What two nodes are compared by: below its slots the share of them that is taken; beyond, what waits by what the node gets
/// done, so that a fast node's queue is longer. An idle slot comes before every queue. Of both, a node of twice the weight
/// counts as one with half as much; of two that have nothing it comes first.
struct node_load {
  static constexpr std::uint32_t usual_speed = 16, usual_weight = 16;
  std::uint32_t in_flight = 0, slots = 1;
  std::uint32_t speed = usual_speed;    ///< of a slot, in sixteenths of the usual
  std::uint32_t weight = usual_weight;  ///< likewise

  bool has_idle() const { return in_flight < slots; }
  // As cross products: exact, and no division.
  std::strong_ordering operator<=>(const node_load& other) const {
    if (weight != other.weight) return weighed(other);
    if (speed == other.speed || has_idle() || other.has_idle())
      return std::uint64_t{in_flight} * other.slots <=> std::uint64_t{other.in_flight} * slots;
    const std::uint64_t here = in_flight - slots, there = other.in_flight - other.slots;
    return here * other.slots * other.speed <=> there * slots * speed;
  }

 private:
  std::strong_ordering weighed(const node_load& other) const;
};

inline std::strong_ordering node_load::weighed(const node_load& other) const {
  if (has_idle() != other.has_idle()) return has_idle() ? std::strong_ordering::less : std::strong_ordering::greater;
  if (!has_idle()) {
    const std::uint64_t here = in_flight - slots, there = other.in_flight - other.slots;
    return here * other.slots * other.speed * other.weight <=> there * slots * speed * weight;
  }
  const auto order =
      std::uint64_t{in_flight} * other.slots * other.weight <=> std::uint64_t{other.in_flight} * slots * weight;
  return order != 0 ? order : other.weight <=> weight;
}

class node_heap {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  /// Puts the node in, or moves it. Requires: slots > 0.
  void set(std::uint32_t node, const node_load& load) {
    const entry changed{load, node};
    if (node >= place_.size() || place_[node] == none) return insert(changed);
    const std::size_t at = place_[node];
    all_[at] = changed;
    if (at > 0 && comes_before(changed, all_[parent(at)])) {
      rise(at, changed);
    } else if (at * width + 1 < all_.size()) {
      sink(at, changed);
    }
  }

  /// Takes it out if it is here.
  void remove(std::uint32_t node) {
    if (node >= place_.size() || place_[node] == none) return;
    const std::size_t at = place_[node];
    place_[node] = none;
    const entry last = all_.back();
    all_.pop_back();
    if (at == all_.size()) return;
    at > 0 && comes_before(last, all_[parent(at)]) ? rise(at, last) : sink(at, last);
  }

  bool empty() const { return all_.empty(); }

  /// The least loaded node that `is_right`, or none. With `only_idle`: of those with fewer jobs than slots.
  template <class Predicate>
  std::uint32_t first_of(Predicate is_right, bool only_idle = false) const {
    if (all_.empty()) return none;
    if (!only_idle && is_right(all_[0].node)) return all_[0].node;
    std::size_t best = none;
    search(0, is_right, only_idle, best);
    return best == none ? none : all_[best].node;
  }

 private:
  static constexpr std::size_t width = 4;  // children of an entry: half the levels of two, in the same cache line
  struct entry {
    node_load load;
    std::uint32_t node;
  };

  void insert(const entry& e) {
    if (e.node >= place_.size()) place_.resize(e.node + 1, none);
    all_.push_back(e);
    rise(all_.size() - 1, e);
  }

  static std::size_t parent(std::size_t at) { return (at - 1) / width; }

  static bool comes_before(const entry& a, const entry& b) {
    const auto order = a.load <=> b.load;
    return order != 0 ? order < 0 : a.node < b.node;
  }

  void put(std::size_t at, const entry& e) {
    all_[at] = e;
    place_[e.node] = static_cast<std::uint32_t>(at);
  }

  void rise(std::size_t at, const entry e) {
    for (; at > 0 && comes_before(e, all_[parent(at)]); at = parent(at)) put(at, all_[parent(at)]);
    put(at, e);
  }

  void sink(std::size_t at, const entry e) {
    for (;;) {
      const std::size_t first = at * width + 1;
      if (first >= all_.size()) break;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < first + width && child < all_.size(); ++child) {
        if (comes_before(all_[child], all_[least])) least = child;
      }
      if (!comes_before(all_[least], e)) break;
      put(at, all_[least]);
      at = least;
    }
    put(at, e);
  }

  // Below an entry there is none that comes before it, so a part of the heap that begins too late need not be looked at.
  template <class Predicate>
  void search(std::size_t at, const Predicate& is_right, bool only_idle, std::size_t& best) const {
    if (only_idle && !all_[at].load.has_idle()) return;
    if (best != none && !comes_before(all_[at], all_[best])) return;
    if (is_right(all_[at].node)) {
      best = at;
      return;
    }
    for (std::size_t child = at * width + 1; child <= at * width + width && child < all_.size(); ++child)
      search(child, is_right, only_idle, best);
  }

  std::vector<entry> all_;
  std::vector<std::uint32_t> place_;  ///< by node: where in all_
};

}  // namespace pp::ppclient
