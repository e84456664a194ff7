/// What can go wrong with a job, sorted by what the caller should do next.
///
/// Promises:      every code has one fixed number, the same on the wire, for ever; an unknown number from a newer node
///                becomes errc::job_threw with the number in its text.
/// Threads:       values; as safe as int.
/// Must not know: anything but the standard library.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace pp {

/// Why a job or a call failed. The groups say what to do; see `condition` to test a whole group at once.
enum class errc : std::uint16_t {
  // Try again, elsewhere or later.
  disconnected = 1,   ///< the connection to the node was lost
  overloaded = 2,     ///< the node refuses more work for now
  shutting_down = 3,  ///< the node or client is going away
  no_nodes = 4,       ///< nothing to run on was found within options::no_nodes_timeout

  // Look at the job.
  job_threw = 16,          ///< the job's own code threw; the exception is a pp::job_error
  worker_crashed = 17,     ///< the worker process died while it ran the job, options::attempts times
  timed_out = 18,          ///< the job's time limit passed
  memory_limit = 19,       ///< the job used more memory than it may
  cancelled = 20,          ///< the caller cancelled the job
  result_too_large = 21,   ///< the result was longer than job_options::max_result, or 1 GiB
  dependency_failed = 22,  ///< a job that this one waited for failed: job_report::inputs tells which, and why

  // Decide yourself.
  outcome_unknown = 32,  ///< a job that may run at most once had begun, or may have, and its result is lost

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
  job_failed = 2,  ///< job_threw, worker_crashed, timed_out, memory_limit, cancelled, result_too_large,
                   ///< dependency_failed
  undecided = 3,   ///< outcome_unknown
  setup_problem =
      4,  ///< refused, version_mismatch, unfit_node, bad_message, closed, not_initialised, bad_option, not_shippable
};

/// Of every errc: its name is "pp".
const std::error_category& error_category() noexcept;
/// Of every condition.
const std::error_category& condition_category() noexcept;
/// So that an errc is a std::error_code where one is wanted.
inline std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), error_category()}; }
/// So that a code can be compared with a condition.
inline std::error_condition make_error_condition(condition c) noexcept {
  return {static_cast<int>(c), condition_category()};
}

/// One exception of a chain that std::throw_with_nested made.
struct exception_cause {
  std::string type;     ///< demangled
  std::string message;  ///< its what()
};

/// One start of a job. Times are by this machine's clock.
struct job_attempt {
  unsigned number = 1;                            ///< 1 for the first
  std::string node;                               ///< name, "local" for this machine's own workers
  std::string address;                            ///< host:port, empty for "local"
  std::chrono::system_clock::time_point sent{};   ///< when it was sent to the node
  std::chrono::system_clock::time_point ended{};  ///< when its end was known here
  std::string outcome;  ///< in words: "was killed by signal 11 (Segmentation fault)", "the node was lost", …
  int pid = 0;          ///< of the worker on its node, 0 if not known
  int signal = 0;       ///< that killed the worker, 0 if none
  int exit_code = 0;    ///< of the worker, if it exited
};

/// A job that failed, and with it those that waited for it.
struct failed_input {
  std::string id;               ///< 32 hexadecimal digits
  std::string label;            ///< job_options::label
  std::string node;             ///< where its last attempt ran, empty if it did not
  errc code = errc::job_threw;  ///< its error's code(); dependency_failed if it waited, too
  std::string text;             ///< its error's what()
};

/// All that is known about a job that failed. What is not known is empty or 0.
struct job_report {
  std::string id;        ///< 32 hexadecimal digits, the same in all attempts and for the job itself (pp::this_job)
  std::string label;     ///< job_options::label
  std::string function;  ///< name of the function in the program, as far as its symbol table has it
  std::string node;      ///< where the last attempt ran; "local" for this machine's own workers
  std::string address;   ///< host:port of that node, empty for "local"
  int pid = 0;           ///< of the last worker, on its node
  std::string type;      ///< demangled type of the exception, empty if there was none
  std::string message;   ///< the exception's what(), or what happened in words
  std::vector<exception_cause> causes;  ///< what was nested in it, outermost first
  std::string items;                    ///< of a map whose worker died: "item 7" or "one of items 7 to 9"; else empty
  int signal = 0;                       ///< that killed the worker, 0 if none
  int exit_code = 0;                    ///< of the worker, if it exited
  std::vector<std::string> stack;       ///< of a crash, innermost first, as far as the worker could still tell
  std::string stderr_tail;              ///< the end of what the job wrote to stderr, at most 4 KiB
  std::chrono::system_clock::time_point submitted{};  ///< when submit() was called
  std::chrono::system_clock::time_point sent{};       ///< when the last attempt was sent
  std::chrono::system_clock::time_point ended{};      ///< when the end was known here
  std::chrono::microseconds run_time{0};              ///< of the last attempt
  std::chrono::microseconds cpu_time{0};              ///< of the last attempt, with the processes that it started
  std::uint64_t peak_memory = 0;                      ///< of the last attempt, bytes
  unsigned starts = 1;                                ///< how often it was started in all
  std::vector<job_attempt> attempts;  ///< those that failed, oldest first; at most the first 16 and the last
  std::string capsule;                ///< file it was saved to (options::capsule_dir)
  /// Of errc::dependency_failed: the input that failed, then the input of that one, …; the last is what began it. At most
  /// 16: of more, the first 15 and the last.
  std::vector<failed_input> inputs;
  std::size_t inputs_left_out = 0;  ///< how many more there are
};

/// Every error this library throws. `code()` is an errc; `what()` is one clear line that says what to do.
class error : public std::system_error {
 public:
  /// Without a job.
  error(errc code, const std::string& text) : error(code, text, nullptr) {}
  /// About a job.
  error(errc code, const std::string& text, std::shared_ptr<const job_report> job)
      : std::system_error(make_error_code(code), text), text_(text), job_(std::move(job)) {}

  /// The line without the code's own words.
  const char* what() const noexcept override { return text_.c_str(); }

  /// The job that failed, if this came out of a future; else null. Lives as long as the error or a copy of it.
  const job_report* job() const noexcept { return job_.get(); }
  /// All that is known, in lines for a person.
  std::string report() const;
  /// The same as a JSON object; docs/operations.md lists its keys.
  std::string to_json() const;

 private:
  std::string text_;
  std::shared_ptr<const job_report> job_;
};

/// A job that ended badly: it threw, took its worker down, met a limit, was cancelled, or its fate is not known.
class job_error : public error {
 public:
  /// The text is put together from the report.
  job_error(errc code, job_report about);

  // The parts of job() that are wanted most; job_report says what each is.
  const std::string& type() const noexcept { return job()->type; }                ///< job_report::type
  const std::string& message() const noexcept { return job()->message; }          ///< job_report::message
  const std::string& node() const noexcept { return job()->node; }                ///< job_report::node
  const std::string& stderr_tail() const noexcept { return job()->stderr_tail; }  ///< job_report::stderr_tail
  int signal() const noexcept { return job()->signal; }                           ///< job_report::signal
  int exit_code() const noexcept { return job()->exit_code; }                     ///< job_report::exit_code
  unsigned attempts() const noexcept { return job()->starts; }                    ///< job_report::starts
  const std::string& items() const noexcept { return job()->items; }              ///< job_report::items
  /// job_report::causes
  const std::vector<exception_cause>& causes() const noexcept { return job()->causes; }
};

}  // namespace pp

template <>
struct std::is_error_code_enum<pp::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<pp::condition> : std::true_type {};
