// client::wait and client::print_stats.
//
// Waiting costs jobs nothing until somebody waits: then those that are not done are watched, some thousand at a time, and looked
// for again until none is left.
#include "ppclient/client_wait.hpp"

#include <cstdio>
#include <ostream>

#include "pp/client.hpp"
#include "pp/detail/future_sets.hpp"

namespace pp {
namespace {

using detail::time_limit;
using ppclient::pending_search;

constexpr std::size_t most_at_once = pending_search::most_watched;

/// False if one of them was not done before `end`.
bool wait_for_some(detail::completion_queue& queue, std::size_t count, time_limit end) {
  for (; count > 0; --count) {
    if (!queue.next(end)) return false;
  }
  return true;
}

struct pass {
  std::size_t found = 0;        ///< that were not done
  std::uint64_t submitted = 0;  ///< in all so far
};

/// Goes over all jobs once. Nothing if `end` came first.
std::optional<pass> wait_for_pass(detail::client_core& core, const std::optional<std::string>& group, time_limit end) {
  pass out;
  pending_search search;
  search.group = group;
  while (!search.is_at_end) {
    const auto queue = std::make_shared<detail::completion_queue>(most_at_once);
    search = detail::watch_pending(core, std::move(search), queue);
    out.found += search.found;
    if (!wait_for_some(*queue, search.found, end)) return std::nullopt;
  }
  out.submitted = search.submitted;
  return out;
}

// Until a pass finds nothing although the callbacks that there were have run since the one before. They may have submitted
// jobs that are done by now and have callbacks too: of all jobs none may be new, of a group others' are not looked at.
bool wait_for_jobs(detail::client_core& core, const std::optional<std::string>& group, time_limit end) {
  std::optional<pass> before;
  for (;;) {
    const auto last = wait_for_pass(core, group, end);
    if (!last || !detail::records_of(core).callbacks()->flush(end)) return false;
    const bool is_quiet = before && before->found == 0 && last->found == 0;
    if (is_quiet && (group || before->submitted == last->submitted)) return true;
    before = last;
  }
}

}  // namespace

void client::wait() { static_cast<void>(wait_for_jobs(*core_, std::nullopt, std::nullopt)); }
void client::wait(const std::string& group) { static_cast<void>(wait_for_jobs(*core_, group, std::nullopt)); }
bool client::wait(std::chrono::milliseconds limit) {
  return wait_for_jobs(*core_, std::nullopt, detail::end_of(limit));
}
bool client::wait(const std::string& group, std::chrono::milliseconds limit) {
  return wait_for_jobs(*core_, group, detail::end_of(limit));
}

void client::print_stats(std::ostream& to) const {
  const auto s = stats();
  std::uint64_t all = 0, slots = 0;
  for (const auto& n : s.nodes) {
    all += n.jobs_done;
    slots += n.state == "ready" ? n.slots : 0;
  }
  to << "Job execution statistics:\n job count | % of all jobs | job time sum | time per job | job server\n";
  for (const auto& n : s.nodes) {
    if (n.jobs_done == 0) continue;
    const auto jobs = static_cast<double>(n.jobs_done);
    const double seconds = static_cast<double>(n.run_time.count()) / 1e6;
    char row[128];
    std::snprintf(row, sizeof row, "%10llu | %13.2f | %12.4f | %12.6f | ", static_cast<unsigned long long>(n.jobs_done),
                  100.0 * jobs / static_cast<double>(all), seconds, seconds / jobs);
    to << row << n.name << (n.address.empty() ? "" : " (" + n.address + ")") << '\n';
  }
  to << "Time elapsed since server creation " << static_cast<double>(s.elapsed.count()) / 1e6 << " s\n"
     << s.queued + s.in_flight << " active jobs, " << slots << " slots\n";
}

}  // namespace pp
