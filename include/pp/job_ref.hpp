/// A job that others can wait for without taking its result: job_options::after.
///
/// Promises: made by any pp::future of the same client; stays good when that future is moved, taken or given up.
/// Threads:  a value, safe to copy and to use in any thread; making one is a use of the future.
#pragma once

#include <memory>

namespace pp {

template <class R>
class future;

namespace detail {
struct awaited_job;
}

/// See the top of this file.
class job_ref {
 public:
  /// Throws: pp::error(errc::bad_option) if get() was called before: what became of the job is not known any more.
  template <class R>
  job_ref(const future<R>& job);  // NOLINT(google-explicit-constructor): job_options{.after = {a, b}}

  /// For the library.
  const std::shared_ptr<detail::awaited_job>& awaited() const noexcept { return job_; }

 private:
  std::shared_ptr<detail::awaited_job> job_;
};

}  // namespace pp
