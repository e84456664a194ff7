/// What can go wrong with a job, sorted by what the caller should do next.
///
/// Promises:      every code has one fixed number, the same on the wire, for ever; an unknown number from a newer node
///                becomes errc::job_threw with the number in its text.
/// Threads:       values; as safe as int.
/// Must not know: anything but the standard library.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace pp {

/// Why a job or a call failed. The groups say what to do; see `condition` to test a whole group at once.
enum class errc : std::uint16_t {
  // Try again, elsewhere or later.
  disconnected = 1,   ///< the connection to the node was lost
  overloaded = 2,     ///< the node refuses more work for now
  shutting_down = 3,  ///< the node or client is going away
  no_nodes = 4,       ///< nothing to run on was found within options::no_nodes_timeout

  // Look at the job.
  job_threw = 16,       ///< the job's own code threw; the exception is a pp::job_error
  worker_crashed = 17,  ///< the worker process died while it ran the job, options::attempts times
  timed_out = 18,       ///< the job's time limit passed
  memory_limit = 19,    ///< the job used more memory than it may
  cancelled = 20,       ///< the caller cancelled the job

  // Decide yourself.
  outcome_unknown = 32,  ///< a job that may run at most once was on a node that was lost

  // Fix the set-up.
  refused = 48,           ///< the other side does not hold our key, or we do not hold its key
  version_mismatch = 49,  ///< no protocol version in common
  unfit_node = 50,        ///< no node can run this program; the text says why for each
  bad_message = 51,       ///< bytes that cannot be what they claim to be (also: a result that does not decode)
  closed = 52,            ///< the client was closed before the job was done
  not_initialised = 53,   ///< pp::init(argc, argv) was not called first in main
  bad_option = 54,        ///< an option has a value outside its range; the text names it
  not_shippable = 55,     ///< the function lies in a shared object that is not sent to nodes; wrap it in a lambda
};

/// Groups of errc, for `if (e.code() == pp::condition::retryable)`.
enum class condition {
  retryable = 1,   ///< disconnected, overloaded, shutting_down, no_nodes
  job_failed = 2,  ///< job_threw, worker_crashed, timed_out, memory_limit, cancelled
  undecided = 3,   ///< outcome_unknown
  setup_problem =
      4,  ///< refused, version_mismatch, unfit_node, bad_message, closed, not_initialised, bad_option, not_shippable
};

const std::error_category& error_category() noexcept;
const std::error_category& condition_category() noexcept;
inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), error_category()}; }
inline std::error_condition make_error_condition(condition c) noexcept {
  return {static_cast<int>(c), condition_category()};
}

/// Every error this library throws. `code()` is an errc; `what()` is one clear line that says what to do.
class error : public std::system_error {
 public:
  error(errc code, const std::string& text) : std::system_error(make_error_code(code), text), text_(text) {}

  /// The line without the code's own words.
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

/// A job that ended badly on a worker: it threw, or it took its worker down.
class job_error : public error {
 public:
  struct details {
    std::string type;         ///< demangled type of the exception, empty if the worker died
    std::string message;      ///< the exception's what()
    std::string node;         ///< name of the node, "local" for this machine's own workers
    std::string stderr_tail;  ///< the end of what the job wrote to stderr, at most 4 KiB here
    int signal = 0;           ///< the signal that killed the worker, 0 if none
    int exit_code = 0;        ///< the worker's exit status if it exited
    unsigned attempts = 1;    ///< how often the job was started
    std::string items = {};   ///< of a map whose worker died: "item 7" or "one of items 7 to 9"; else empty
  };
  job_error(errc code, details d);

  const std::string& type() const noexcept { return details_.type; }
  const std::string& message() const noexcept { return details_.message; }
  const std::string& node() const noexcept { return details_.node; }
  const std::string& stderr_tail() const noexcept { return details_.stderr_tail; }
  int signal() const noexcept { return details_.signal; }
  int exit_code() const noexcept { return details_.exit_code; }
  unsigned attempts() const noexcept { return details_.attempts; }
  const std::string& items() const noexcept { return details_.items; }

 private:
  details details_;
};

}  // namespace pp

template <>
struct std::is_error_code_enum<pp::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<pp::condition> : std::true_type {};
