// Ranges for tests of map. Not those of <ranges>: Clang 14 cannot compile what GCC 12's library builds its views from.
#pragma once

#include <cstddef>
#include <iterator>

namespace pp::test {

/// What two iterators, or an iterator and a sentinel, enclose.
template <class First, class Last>
struct between {
  First first;
  Last last;
  First begin() const { return first; }
  Last end() const { return last; }
};
template <class First, class Last>
between(First, Last) -> between<First, Last>;

/// Counts, and can be read only once; ends at an int or, with std::unreachable_sentinel, never.
struct count_up {
  using value_type = int;
  using difference_type = std::ptrdiff_t;
  int at = 0;

  int operator*() const { return at; }
  count_up& operator++() {
    ++at;
    return *this;
  }
  void operator++(int) { ++at; }
  friend bool operator==(const count_up& a, int end) { return a.at == end; }
};

}  // namespace pp::test
