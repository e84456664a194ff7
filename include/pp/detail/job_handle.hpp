// The one owner of a job's pooled record: what a future holds.
//
// Promises: movable, not copyable; giving it up before the job is done abandons the result, not the job.
// Threads: one at a time; the record behind it is completed by the I/O thread through one atomic word.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "pp/detail/watching.hpp"

namespace pp::detail {

struct job_record;
class record_pool;

class job_handle {
 public:
  job_handle() noexcept = default;
  job_handle(std::shared_ptr<record_pool> pool, job_record* record) noexcept
      : pool_(std::move(pool)), record_(record) {}
  job_handle(job_handle&& other) noexcept
      : pool_(std::move(other.pool_)), record_(std::exchange(other.record_, nullptr)) {}
  job_handle& operator=(job_handle&& other) noexcept;
  ~job_handle() {
    if (record_ != nullptr) release();
  }

  bool valid() const noexcept { return record_ != nullptr; }
  bool ready() const noexcept;
  void wait() const;
  bool wait_for(std::chrono::nanoseconds limit) const;

  void cancel() const;
  std::string id() const;

  struct value_view {
    const std::uint8_t* data;
    std::size_t size;
  };
  /// Requires: ready(). The view lives as long as the handle. Throws what the job's failure is.
  value_view value_or_throw() const;
  /// Requires: ready(). Of the value; 0 for a failure.
  std::size_t result_bytes() const noexcept;
  void read_output(std::string& out, std::string& err, std::uint64_t& out_dropped, std::uint64_t& err_dropped) const;
  std::string node() const;
  /// Requires: value_or_throw() gave a value. How long the worker took.
  std::chrono::microseconds run_time() const noexcept;

  /// `who` is told with `tag` when the job is done; at once, on this thread, if it is.
  void watch(std::shared_ptr<watcher> who, std::size_t tag) const;
  void unwatch(const watcher& who) const noexcept;
  /// `call` is run on the client's callback thread when the job is done. It may own this handle: once it is registered,
  /// nothing here is touched. Throws std::system_error if the thread cannot be started.
  void call_when_done(std::unique_ptr<deferred> call) const;
  const std::shared_ptr<record_pool>& pool() const noexcept { return pool_; }
  job_record* record() const noexcept { return record_; }

 private:
  void release() noexcept;

  std::shared_ptr<record_pool> pool_;
  job_record* record_ = nullptr;
};

}  // namespace pp::detail
