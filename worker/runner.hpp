// Inside the worker: decode, call, encode the value or the exception; one job at a time.
//
// Promises: every SUBMIT that was not taken back gets exactly one RESULT, written before the next job begins, whatever
// the job throws; only its crash (or its own call of exit) leaves it without. A job is claimed right before it runs and
// marked done right after its result was written. An initialiser that jobs name has run before the first of them. A
// child process that a job forked never answers in its place.
// Threads: one, the main thread, so that jobs may use what wants it. Must not know: nodes, clients, sockets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "code/location.hpp"
#include "pp/detail/payload.hpp"
#include "wire/message.hpp"
#include "wire/terms.hpp"
#include "worker/control.hpp"
#include "worker/job_traces.hpp"
#include "worker/output.hpp"
#include "worker/value_road.hpp"
#include "worker/worker_road.hpp"

namespace pp::worker {

/// Where functions are in this process: the program's image in life, a table in tests.
class code_lookup {
 public:
  virtual ~code_lookup() = default;
  /// Checks this process against an encoded manifest. Returns why it does not fit, in words; empty if it does.
  virtual std::string open(byte_view manifest) = 0;
  /// Null if there is no code at that location.
  virtual const void* address_of(code::location l) const = 0;
  /// The other way round, for a signal handler: takes no lock and no memory. no_location if it is not known.
  virtual code::location location_of(std::uintptr_t) const noexcept { return code::no_location; }
};
/// The image of this very process.
std::unique_ptr<code_lookup> own_image();

/// Memory of payloads that a worker keeps for the next ones.
inline constexpr std::size_t kept_for_payloads = 160 * 1024 * 1024;

class runner {
 public:
  runner(worker_road& road, control_mapping& control, output_capture& output, code_lookup& code);

  /// What is done between jobs; `traces` must outlive this.
  void clean_with(job_traces& traces) { traces_ = &traces; }
  /// The same of shared values that nobody needs any more; `values` may be null, and must outlive this.
  void forget_values_of(value_receiver* values) { values_ = values; }
  /// Serves until the node closes the road. Jobs run inside.
  void run();

 private:
  struct outcome {
    std::uint16_t code = wire::code_value;
    wire::failure why;
    duration run_time{};
  };

  bool on_message(const pipe_message& message);
  bool on_image(byte_view payload);
  bool on_submit(const pipe_message& message);
  outcome execute(const result<wire::submit>& job, const pipe_message& message);
  outcome execute_submit(const result<wire::submit>& job, byte_view payload, unsigned attempt);
  void prepare(const wire::submit& job, byte_view payload);
  std::optional<outcome> initialise();
  outcome call(const wire::submit& job, byte_view arguments);
  static outcome outcome_of(const std::exception_ptr& thrown);
  outcome call_thunk(const void* decoder, std::uintptr_t function, byte_view arguments);
  bool send_result(const wire::frame_header& job, const outcome& how);
  void look_at_values();

  worker_road& road_;
  control_mapping& control_;
  output_capture& output_;
  code_lookup& code_;
  job_traces* traces_ = nullptr;      ///< may be null
  value_receiver* values_ = nullptr;  ///< may be null
  time_point values_looked_at_{};
  bool has_image_ = false;
  std::uint64_t next_sequence_ = 0;
  bool has_terms_ = false;
  wire::terms terms_;                        ///< of the running job; mostly none
  std::vector<code::location> initialised_;  ///< initialisers that have run here
  detail::payload value_;                    ///< of the running job; kept for its memory
};

}  // namespace pp::worker
