#include "net/loop.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/execution/context.hpp>
#include "base/check.hpp"

#include <boost/asio/query.hpp>

namespace pp::net {

asio::execution_context::id poll_list::id;

poll_list& poll_list::of(const executor& ex) {
  return asio::use_service<poll_list>(asio::query(ex, asio::execution::context));
}

void poll_list::remove(poller& p) {
  const auto at = std::find(all_.begin(), all_.end(), &p);
  PP_ASSERT(at != all_.end());
  all_.erase(at);
}

// By index: what is found may add or remove pollers.
bool poll_list::poll() {
  bool found = false;
  for (std::size_t i = 0; i < all_.size(); ++i) found = all_[i]->poll() || found;
  return found;
}

bool poll_list::arm() {
  bool is_quiet = true;
  for (auto* p : all_) is_quiet = p->arm() && is_quiet;
  return is_quiet;
}

void poll_list::disarm() {
  for (auto* p : all_) p->disarm();
}

void run(io_context& io, duration spin) {
  auto& list = asio::use_service<poll_list>(io);
  spin_budget budget(spin);
  struct looking_after {
    bool& flag;
    ~looking_after() { flag = false; }
  } const until_the_end{list.is_looked_after_};
  list.is_looked_after_ = true;
  list.disarm();
  while (!io.stopped()) {
    const bool worked = io.poll() > 0;
    if (list.poll() || worked) continue;
    const auto began = now();
    budget.on_work(std::exchange(list.work_, 0U));
    if (list.bans_ == 0 && look(budget, [&] { return list.poll() || io.poll() > 0; })) continue;
    if (list.arm()) io.run_one();
    list.disarm();
    budget.on_waited(now() - began);
  }
}

}  // namespace pp::net
