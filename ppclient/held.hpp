// Jobs that wait for others: what they wait for, and what those leave to them.
//
// Life: submit() makes a record as for any job, with a held_call; each of its inputs that is pending gets an awaited_job in the
// pool's table. When an input ends, its ended_job (value bytes, or why it failed) is left to all that wait; the last of the inputs,
// or the first failure, makes the job known to the I/O thread as ready.
// Threads: an ended_job is constant; awaited_job is guarded by the pool's lock; held_call is its submitter's until it is handed
// over, then guarded by the lock until its job is ready, then the I/O thread's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/crypto.hpp"
#include "base/block.hpp"
#include "pp/detail/payload.hpp"
#include "pp/detail/shared_value.hpp"
#include "pp/detail/waiting_call.hpp"
#include "pp/error.hpp"
#include "ppclient/journal_file.hpp"

namespace pp::detail {

class record_pool;

/// What became of a job, for those that waited for it.
struct ended_job {
  std::uint16_t code = 0;                 ///< 0 = value, else errc
  block value;                            ///< empty of a failure, and where nobody wants it
  std::shared_ptr<const job_report> why;  ///< of a failure
  std::string text;                       ///< what its error says
};
using end_pointer = std::shared_ptr<const ended_job>;

struct held_call {
  waiting_call call;
  std::vector<end_pointer> ends;  ///< of its inputs, null while they are pending
  std::size_t missing = 0;
  bool is_told = false;  ///< to the I/O thread, that it is ready
  std::uint64_t job = 0;

  /// The first input that failed; null if none did.
  end_pointer failed() const;
};

/// A job that others wait for, or may.
struct awaited_job {
  struct waiter {
    std::shared_ptr<held_call> who;
    std::size_t input;
  };
  const record_pool* pool = nullptr;
  bool wants_value = false;
  end_pointer end;  ///< null while it is pending
  std::vector<waiter> waiting;
};

/// The arguments of a call whose inputs have all ended well; `known` as encoded at submit. Throws what assembling throws.
payload join(const held_call& held, const payload& known);

/// Complete arguments, made by a thread of the pool's own.
struct assembled_job {
  std::uint64_t job = 0;
  payload arguments;
  shared_values values;  ///< that they name, beside those that were known at submit
  std::string problem;   ///< why there are none; empty if there are
  std::unique_ptr<const auth::digest> journal_key;
  std::optional<ppclient::journal_entry> kept;  ///< instead of running it
};

/// In words for the job's own error: the one that began it.
std::string explain(const ended_job& failed);
/// The chain of a job that failed because of `failed`.
void tell_inputs(const ended_job& failed, job_report& to);

}  // namespace pp::detail
