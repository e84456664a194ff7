// What a job waits for before it can be sent, and how its arguments come to be then.
//
// Must not know: types of arguments and results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace pp::detail {

struct awaited_job;
class job_handle;
class payload;

struct byte_part {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};

struct waiting_call {
  /// Of one argument: bytes among those that are known, or some of the inputs.
  struct part {
    std::size_t begin = 0, size = 0;
    std::size_t first_input = 0, inputs = 0;
    bool is_input = false;
  };
  std::vector<part> parts;
  std::vector<std::shared_ptr<awaited_job>> inputs;  ///< those of the parts, then those that only come before
  /// Appends the arguments that the views of all parts make. Null: the bytes of the parts as they are. Throws whatever
  /// decoding, conversion and encoding throw.
  void (*assemble)(std::span<const std::span<const byte_part>> parts, payload& into) = nullptr;
};

/// The job, to be waited for by others; its value is kept for them if `wants_value`. Throws pp::error(errc::bad_option) for
/// a handle without a job. Requires: the caller has the future.
std::shared_ptr<awaited_job> await_job(const job_handle& job, bool wants_value);

}  // namespace pp::detail
