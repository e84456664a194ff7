#include "base/result.hpp"

#include <sstream>

#include <string.h>  // NOLINT: sigabbrev_np is not in <cstring>

namespace pp {
namespace {

// Null for a number that is none of ours.
const char* known_text_of(errc e) {
  switch (e) {
    case errc::disconnected: return "the connection to the node was lost";
    case errc::overloaded: return "the node refuses more work for now";
    case errc::shutting_down: return "the node or client is shutting down";
    case errc::no_nodes: return "nothing to run on was found";
    case errc::job_threw: return "the job threw an exception";
    case errc::worker_crashed: return "the worker process died while running the job";
    case errc::timed_out: return "the job's time limit passed";
    case errc::memory_limit: return "the job used more memory than it may";
    case errc::cancelled: return "the job was cancelled";
    case errc::result_too_large: return "the job's result is longer than it may be";
    case errc::dependency_failed: return "a job that this one waited for failed";
    case errc::outcome_unknown: return "it is not known whether the job ran";
    case errc::refused: return "the other side does not hold the same key";
    case errc::version_mismatch: return "no protocol version in common";
    case errc::unfit_node: return "no node can run this program";
    case errc::bad_message: return "a malformed message";
    case errc::closed: return "the client was closed";
    case errc::not_initialised: return "pp::init was not called";
    case errc::bad_option: return "an option is out of range";
    case errc::not_shippable: return "the function cannot be sent to a node";
  }
  return nullptr;
}

const char* text_of(errc e) {
  const char* const known = known_text_of(e);
  return known != nullptr ? known : "an unknown error";
}

condition group_of(errc e) {
  const auto n = static_cast<int>(e);
  if (n < 16) return condition::retryable;
  if (n < 32) return condition::job_failed;
  if (n < 48) return condition::undecided;
  return condition::setup_problem;
}

class pp_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "pp"; }
  std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
};

class group_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "pp.condition"; }
  std::string message(int value) const override {
    switch (static_cast<condition>(value)) {
      case condition::retryable: return "try again, elsewhere or later";
      case condition::job_failed: return "look at the job";
      case condition::undecided: return "decide yourself";
      case condition::setup_problem: return "fix the set-up";
    }
    return "unknown";
  }
  bool equivalent(const std::error_code& code, int value) const noexcept override {
    return code.category() == pp::error_category() &&
           group_of(static_cast<errc>(code.value())) == static_cast<condition>(value);
  }
};

std::string describe(errc code, const job_report& d) {
  std::ostringstream out;
  if (!d.items.empty()) out << d.items << " (counted from 0): ";
  if (code == errc::job_threw) {
    out << "the job threw " << d.type << ": " << d.message;
  } else if (code == errc::worker_crashed && d.starts == 0) {
    out << d.message;  // it never ran: the one worker that it was for is gone
  } else if (code == errc::worker_crashed) {
    out << "the worker died while running the job (";
    if (d.signal != 0) {
      const char* name = sigabbrev_np(d.signal);
      out << "signal " << d.signal << (name ? std::string(" SIG") + name : std::string());
    } else {
      out << "exit status " << d.exit_code;
    }
    out << ", " << d.starts << (d.starts == 1 ? " attempt)" : " attempts)");
  } else {
    out << text_of(code) << (d.message.empty() ? "" : ": ") << d.message;
  }
  if (!d.node.empty()) out << " [node " << d.node << "]";
  const auto end = d.stderr_tail.find_last_not_of(" \n\r\t");
  if (end != std::string::npos) out << "; stderr ends: " << d.stderr_tail.substr(0, end + 1);
  return out.str();
}

}  // namespace

bool is_known(errc code) noexcept { return known_text_of(code) != nullptr; }

const std::error_category& error_category() noexcept {
  static const pp_category instance;
  return instance;
}

const std::error_category& condition_category() noexcept {
  static const group_category instance;
  return instance;
}

job_error::job_error(errc code, job_report about)
    : error(code, describe(code, about), std::make_shared<job_report>(about)) {}

}  // namespace pp
