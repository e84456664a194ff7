#include "tests/support/wait.hpp"

#include <thread>

namespace pp::test {

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
}

void spend(std::chrono::milliseconds length) { std::this_thread::sleep_for(length); }

}  // namespace pp::test
