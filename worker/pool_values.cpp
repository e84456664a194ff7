// The values that jobs share, on their way to workers and out of them again.
#include "net/deadline.hpp"
#include "worker/pool_impl.hpp"

namespace pp::worker {
namespace {

constexpr auto sweep_interval = std::chrono::milliseconds(500);

}  // namespace

void pool::impl::give_values(const action& a) {
  workers[a.worker]->give_values(*values[a.job]);
  if (is_sweeping_values || closing) return;
  is_sweeping_values = true;
  tasks.spawn("sweep shared values", sweep_values());
}

/// Runs only while workers have some.
net::awaitable<void> pool::impl::sweep_values() {
  for (bool are_there = true; are_there && !closing;) {
    next_sweep.expires_after(sweep_interval);
    net::error_code cancelled;
    co_await next_sweep.async_wait(net::redirect_error(net::use_awaitable, cancelled));
    if (cancelled || closing) break;
    are_there = false;
    for (auto& worker : workers) {
      if (worker && worker->forget_values()) are_there = true;
    }
  }
  is_sweeping_values = false;
}

}  // namespace pp::worker
