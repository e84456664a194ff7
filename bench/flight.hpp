// Keeps a number of jobs on their way: takes the oldest future whenever there are that many.
#pragma once

#include <deque>

#include <pp/pp.hpp>

namespace bench {

/// Calls `submit(i)` for i = 0 … count-1 and `take(result of i)` in that order, with at most `window` in between.
template <class Submit, class Take>
void keep_in_flight(std::size_t count, std::size_t window, Submit submit, Take take) {
  std::deque<decltype(submit(std::size_t{}))> waiting;
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting.size() == window) {
      take(waiting.front());
      waiting.pop_front();
    }
    waiting.push_back(submit(i));
  }
  for (auto& future : waiting) take(future);
}

}  // namespace bench
