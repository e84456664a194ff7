// What client::wait() and print_stats() need of a client's core.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ppclient/record.hpp"

namespace pp::ppclient {

/// Which jobs are meant, and how far the search for those that are not done has come.
struct pending_search {
  static constexpr std::size_t most_watched = 4096;  ///< in one step
  std::optional<std::string> group;                  ///< none = all
  std::uint32_t next_slot = 0;
  bool is_at_end = false;
  std::size_t found = 0;        ///< watched in this step
  std::uint64_t submitted = 0;  ///< by this client so far, whatever the group
};

}  // namespace pp::ppclient

namespace pp::detail {

class client_core;
/// One step of a search: has some jobs that are not done watched. Each step is short.
ppclient::pending_search watch_pending(client_core& core, ppclient::pending_search search,
                                       const std::shared_ptr<watcher>& who);
record_pool& records_of(client_core& core);

}  // namespace pp::detail
