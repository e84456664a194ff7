// A worker that is checked out, as its handle and the I/O thread share it; and what a job has to do with it.
//
// Threads: is_open from any; the rest is the I/O thread's. Must not know: handles, futures.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "pp/error.hpp"
#include "wire/terms.hpp"

namespace pp::detail {

struct checkout_state {
  explicit checkout_state(std::uint64_t its_name) : name(its_name) {}

  const std::uint64_t name;          ///< of this client, for ever
  std::atomic<bool> is_open{false};  ///< jobs may be sent there

  // I/O thread only.
  std::uint32_t node = UINT32_MAX;   ///< as the scheduler counts them
  std::uint32_t lease = UINT32_MAX;  ///< likewise, while it is held
  bool is_closing = false;           ///< checked in; given back when its jobs are done
  errc why = errc::worker_crashed;   ///< it is lost
  std::string reason;                ///< the same in words
};

/// What a job asks of one particular worker.
struct job_place {
  wire::place_use use = wire::place_use::none;
  std::uint64_t name = 0;
  std::shared_ptr<checkout_state> worker = nullptr;  ///< null for one_each
};

}  // namespace pp::detail
