// What client does with all workers, or with several at once: the bodies of two of its member templates.
//
// Must not know: nodes, sockets.
#pragma once

#include <algorithm>
#include <iterator>

#include "pp/client.hpp"

namespace pp {

template <class F, class... Args>
auto client::broadcast(every_worker_t, const job_options& how, F&& f, const Args&... args)
    -> std::vector<std::pair<std::string, future<detail::result_of<F, const Args&...>>>> {
  using result = detail::result_of<F, const Args&...>;
  std::vector<std::pair<std::string, future<result>>> out;
  job_options there = how;
  const auto round = detail::new_round(*core_);
  for (auto& [name, place] : ready_workers(how)) {
    there.node = place;
    detail::job_draft draft(*core_);
    const auto code = detail::prepare(static_cast<const std::decay_t<F>&>(f), draft.arguments(), args...);
    out.emplace_back(std::move(name), future<result>(draft.submit_one_each(code, there, round)));
  }
  return out;
}

template <class Range>
auto client::scatter(const Range& range, std::size_t workers, std::chrono::milliseconds limit) {
  using element = std::decay_t<decltype(*std::begin(range))>;
  if (workers == 0) workers = ready_workers({}).size();
  constexpr std::chrono::milliseconds none{0}, century = std::chrono::hours(24 * 365 * 100);
  const auto end = std::chrono::steady_clock::now() + std::min(limit, century);
  std::vector<checked_out> held;
  while (held.size() < workers) {
    const auto left = end - std::chrono::steady_clock::now();
    held.push_back(checkout(std::max(none, std::chrono::duration_cast<std::chrono::milliseconds>(left))));
  }
  scattered<element> out(std::move(held));
  out.fill(std::begin(range), static_cast<std::size_t>(std::distance(std::begin(range), std::end(range))));
  return out;
}

}  // namespace pp
