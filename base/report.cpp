// Everything known about a failure, as text for a person and as JSON for a program.
//
// What a node or a job said is shown escaped: it must not move a terminal's cursor, and JSON takes no broken UTF-8.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <string.h>  // NOLINT: sigdescr_np is not in <cstring>

#include <nlohmann/json.hpp>

#include "pp/error.hpp"

namespace pp {
namespace {

using clock = std::chrono::system_clock;
using nlohmann::ordered_json;

const char* name_of(errc e) {
  switch (e) {
    case errc::disconnected: return "disconnected";
    case errc::overloaded: return "overloaded";
    case errc::shutting_down: return "shutting_down";
    case errc::no_nodes: return "no_nodes";
    case errc::job_threw: return "job_threw";
    case errc::worker_crashed: return "worker_crashed";
    case errc::timed_out: return "timed_out";
    case errc::memory_limit: return "memory_limit";
    case errc::cancelled: return "cancelled";
    case errc::result_too_large: return "result_too_large";
    case errc::dependency_failed: return "dependency_failed";
    case errc::outcome_unknown: return "outcome_unknown";
    case errc::refused: return "refused";
    case errc::version_mismatch: return "version_mismatch";
    case errc::unfit_node: return "unfit_node";
    case errc::bad_message: return "bad_message";
    case errc::closed: return "closed";
    case errc::not_initialised: return "not_initialised";
    case errc::bad_option: return "bad_option";
    case errc::not_shippable: return "not_shippable";
  }
  return "unknown";
}

/// "2026-11-23T01:15:00.123Z"; empty if it is not known.
std::string text_of(clock::time_point t) {
  if (t == clock::time_point{}) return {};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char date[64], all[80];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(all, sizeof all, "%s.%03dZ", date, static_cast<int>(ms % 1000));
  return all;
}

std::string text_of(std::chrono::microseconds t) {
  char text[64];
  if (t < std::chrono::milliseconds(1)) {
    std::snprintf(text, sizeof text, "%d us", static_cast<int>(t.count()));
  } else if (t < std::chrono::seconds(1)) {
    std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(t.count()) / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(t.count()) / 1e6);
  }
  return text;
}

std::string text_of_size(std::uint64_t size) {
  char text[64];
  if (size < 1024 * 1024) {
    std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(size) / 1024);
  } else {
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(size) / (1024.0 * 1024));
  }
  return text;
}

/// Without control bytes, but for those of `kept`.
std::string printable(const std::string& text, const char* kept = "") {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= ' ' && byte != 0x7f) || c == '\t' || (c != '\0' && std::strchr(kept, c) != nullptr)) {
      out += c;
      continue;
    }
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
    out += escaped;
  }
  return out;
}

std::string place_of(const std::string& node, const std::string& address, int pid) {
  std::string text = printable(node);
  if (!address.empty()) text += " at " + printable(address);
  if (pid != 0) text += (text.empty() ? "pid " : ", pid ") + std::to_string(pid);
  return text;
}

std::string exception_of(const std::string& type, const std::string& message) {
  return printable(type.empty() ? "unknown type" : type) + ": " + printable(message);
}

std::string signal_in_words(int signal) {
  const char* const words = ::sigdescr_np(signal);
  return std::to_string(signal) + (words != nullptr ? " (" + std::string(words) + ")" : "");
}

/// Lines under a heading; each value in one column.
class page {
 public:
  explicit page(std::string first) : text_(std::move(first)) {}

  void line(const char* name, const std::string& value) {
    if (value.empty()) return;
    text_ += std::string("\n  ") + name + std::string(12 - std::strlen(name), ' ') + value;
  }
  void heading(const char* name) { text_ += std::string("\n  ") + name; }
  void below(const std::string& value, std::size_t depth = 1) {
    text_ += "\n" + std::string(2 + 2 * depth, ' ') + value;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_who(const job_report& d, page& to) {
  to.line("job", printable(d.id));
  to.line("label", printable(d.label));
  to.line("function", printable(d.function));
  to.line("items", printable(d.items));
  to.line("node", place_of(d.node, d.address, d.pid));
}

void add_what(const job_report& d, page& to) {
  if (!d.type.empty()) {
    to.line("exception", exception_of(d.type, d.message));
  } else {
    to.line("reason", printable(d.message));
  }
  std::size_t depth = 0;
  for (const auto& cause : d.causes) to.below("caused by " + exception_of(cause.type, cause.message), ++depth);
  if (d.signal != 0) to.line("signal", signal_in_words(d.signal));
  if (d.exit_code != 0) to.line("exit status", std::to_string(d.exit_code));
}

/// Those in the middle only say that they waited, too: what began it is told once.
std::string in_words(const failed_input& f) {
  std::string text = "job " + printable(f.id) + (f.label.empty() ? "" : " (" + printable(f.label) + ")");
  if (!f.node.empty()) text += " on " + printable(f.node);
  text += std::string(": ") + name_of(f.code);
  return f.code == errc::dependency_failed ? text : text + ": " + printable(f.text);
}

void add_inputs(const job_report& d, page& to) {
  if (d.inputs.empty()) return;
  to.heading("because of");
  for (std::size_t i = 0; i < d.inputs.size(); ++i) {
    const bool is_last = i + 1 == d.inputs.size();
    if (is_last && d.inputs_left_out > 0) to.below("(" + std::to_string(d.inputs_left_out) + " more)", i + 1);
    to.below(in_words(d.inputs[i]), i + 1);
  }
}

void add_measures(const job_report& d, page& to) {
  to.line("submitted", text_of(d.submitted));
  to.line("sent", text_of(d.sent));
  to.line("ended", text_of(d.ended));
  if (d.run_time.count() > 0) to.line("run time", text_of(d.run_time));
  if (d.cpu_time.count() > 0) to.line("CPU time", text_of(d.cpu_time));
  if (d.peak_memory > 0) to.line("peak memory", text_of_size(d.peak_memory));
  if (d.starts > 1) to.line("starts", std::to_string(d.starts));
}

std::string in_words(const job_attempt& a) {
  std::string text = std::to_string(a.number) + "  " + place_of(a.node, a.address, a.pid);
  if (!a.outcome.empty()) text += ": " + printable(a.outcome);
  const auto sent = text_of(a.sent), ended = text_of(a.ended);
  if (!sent.empty()) text += "  (" + sent + (ended.empty() ? "" : " to " + ended) + ")";
  return text;
}

void add_attempts(const job_report& d, page& to) {
  if (d.attempts.empty()) return;
  to.heading("attempts");
  for (const auto& a : d.attempts) to.below(in_words(a));
}

void add_stack(const job_report& d, page& to) {
  if (d.stack.empty()) return;
  to.heading("stack");
  for (std::size_t i = 0; i < d.stack.size(); ++i) to.below("#" + std::to_string(i) + "  " + printable(d.stack[i]));
}

void add_stderr(const job_report& d, page& to) {
  const auto end = d.stderr_tail.find_last_not_of(" \n\r\t");
  if (end == std::string::npos) return;
  to.heading("stderr ends");
  const std::string text = printable(d.stderr_tail.substr(0, end + 1), "\n");
  for (std::size_t from = 0; from <= text.size();) {
    const auto next = std::min(text.find('\n', from), text.size());
    to.below("| " + text.substr(from, next - from));
    from = next + 1;
  }
}

void add_capsule(const job_report& d, page& to) {
  if (d.capsule.empty()) return;
  to.line("capsule", printable(d.capsule));
  to.line("run again", "ppclient replay " + printable(d.capsule));
}

/// What happened, without the end of stderr, which has lines of its own further down.
std::string first_line(const std::string& what) {
  const auto end = what.find("; stderr ends: ");
  return printable(what.substr(0, end));
}

ordered_json json_of(const job_attempt& a) {
  return {{"number", a.number},        {"node", a.node},       {"address", a.address}, {"sent", text_of(a.sent)},
          {"ended", text_of(a.ended)}, {"outcome", a.outcome}, {"pid", a.pid},         {"signal", a.signal},
          {"exit_code", a.exit_code}};
}

ordered_json json_of(const failed_input& f) {
  return {{"id", f.id}, {"label", f.label}, {"node", f.node}, {"code", name_of(f.code)}, {"text", f.text}};
}

ordered_json json_of(const job_report& d) {
  auto causes = ordered_json::array(), attempts = ordered_json::array();
  for (const auto& c : d.causes) causes.push_back({{"type", c.type}, {"message", c.message}});
  for (const auto& a : d.attempts) attempts.push_back(json_of(a));
  auto inputs = ordered_json::array();
  for (const auto& i : d.inputs) inputs.push_back(json_of(i));
  return {{"id", d.id},
          {"label", d.label},
          {"function", d.function},
          {"node", d.node},
          {"address", d.address},
          {"pid", d.pid},
          {"type", d.type},
          {"message", d.message},
          {"causes", std::move(causes)},
          {"items", d.items},
          {"signal", d.signal},
          {"exit_code", d.exit_code},
          {"stack", d.stack},
          {"stderr_tail", d.stderr_tail},
          {"submitted", text_of(d.submitted)},
          {"sent", text_of(d.sent)},
          {"ended", text_of(d.ended)},
          {"run_time_us", d.run_time.count()},
          {"cpu_time_us", d.cpu_time.count()},
          {"peak_memory", d.peak_memory},
          {"starts", d.starts},
          {"attempts", std::move(attempts)},
          {"capsule", d.capsule},
          {"inputs", std::move(inputs)},
          {"inputs_left_out", d.inputs_left_out}};
}

}  // namespace

std::string error::report() const {
  const auto known = static_cast<errc>(code().value());
  page text(job() != nullptr ? first_line(what()) : printable(what(), "\n"));
  text.line("code", std::string(name_of(known)) + " (" + std::to_string(code().value()) + ")");
  if (const job_report* const d = job()) {
    for (const auto add :
         {add_who, add_what, add_inputs, add_measures, add_attempts, add_stack, add_stderr, add_capsule})
      add(*d, text);
  }
  return text.take();
}

std::string error::to_json() const {
  ordered_json all{{"code", name_of(static_cast<errc>(code().value()))}, {"number", code().value()}, {"text", what()}};
  all["job"] = job() != nullptr ? json_of(*job()) : ordered_json();
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace pp
