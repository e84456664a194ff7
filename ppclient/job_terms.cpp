#include "ppclient/job_terms.hpp"

#include <string_view>

#include "pp/error.hpp"
#include "wire/terms.hpp"

namespace pp::ppclient {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds longest_time = std::chrono::hours(24 * 24);
constexpr std::uint64_t least_memory = std::uint64_t{1} << 20U;
constexpr std::uint64_t most_result = std::uint64_t{1} << 30U;
constexpr unsigned most_attempts = 1000;
constexpr int most_priority = 100;

[[noreturn]] void wrong(const std::string& name, const std::string& must) {
  throw error(errc::bad_option, "job_options." + name + " must be " + must);
}

void check_time(const char* name, std::chrono::milliseconds value) {
  if (value < 0ms || value > longest_time) wrong(name, "0 (no limit) or 1 ms to 24 days");
}

void check_text(const char* name, const std::string& value) {
  if (value.find('\0') != std::string::npos) wrong(name, "text without zero bytes");
}

void check_variable(const std::string& name, const std::string& value) {
  const auto begins = [&](std::string_view with) { return name.compare(0, with.size(), with) == 0; };
  const std::string whose = "environment['" + name + "']";
  if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
    wrong(whose, "named by text that is not empty and has no '='");
  if (begins("PP_") || begins("LD_")) wrong(whose, "left out: names that begin with PP_ or LD_ are not for jobs");
  check_text(whose.c_str(), value);
}

void check_environment(const std::map<std::string, std::string>& environment) {
  std::size_t size = 0;
  for (const auto& [name, value] : environment) {
    check_variable(name, value);
    size += name.size() + value.size() + 2;
  }
  if (size > wire::max_environment_bytes) wrong("environment", "at most 60 KiB in all");
}

template <class T>
void take(T& to, const T& usual, const T& unsaid) {
  if (to == unsaid) to = usual;
}

job_options merged(const job_options& how, const job_options& usual) {
  static const job_options unsaid;
  job_options out = how;
  take(out.timeout, usual.timeout, unsaid.timeout);
  take(out.cpu_time, usual.cpu_time, unsaid.cpu_time);
  take(out.memory, usual.memory, unsaid.memory);
  take(out.max_result, usual.max_result, unsaid.max_result);
  take(out.attempts, usual.attempts, unsaid.attempts);
  // What one asks for and the other forbids is decided by who speaks for this job.
  if (!how.idempotent) take(out.at_most_once, usual.at_most_once, unsaid.at_most_once);
  if (!how.at_most_once) take(out.idempotent, usual.idempotent, unsaid.idempotent);
  take(out.priority, usual.priority, unsaid.priority);
  take(out.label, usual.label, unsaid.label);
  take(out.group, usual.group, unsaid.group);
  take(out.node, usual.node, unsaid.node);
  take(out.nodes, usual.nodes, unsaid.nodes);
  take(out.isolation, usual.isolation, unsaid.isolation);
  take(out.resources, usual.resources, unsaid.resources);
  take(out.environment, usual.environment, unsaid.environment);
  take(out.output, usual.output, unsaid.output);
  return out;
}

wire::terms for_node(const job_options& how) {
  wire::terms out;
  out.timeout_ms = static_cast<std::uint32_t>(how.timeout.count());
  out.cpu_ms = static_cast<std::uint32_t>(how.cpu_time.count());
  out.memory = how.memory;
  out.max_result = how.max_result;
  out.priority = static_cast<std::int8_t>(how.priority);
  out.at_most_once = how.at_most_once;
  out.drops_output = how.output == output::drop;
  out.label = how.label;
  out.resources = checked_resources("job_options.resources", how.resources);
  for (const auto& [name, value] : how.environment) out.environment.push_back(name + "=" + value);
  return out;
}

bool says_nothing(const job_options& o, const wire::terms& sent) {
  return sent == wire::terms{} && o.attempts == 0 && !o.idempotent && o.group.empty() && o.node.empty() &&
         o.nodes.empty() && o.isolation == isolation::none && o.output == output::usual;
}

std::shared_ptr<job_terms> put_together(const job_options& all, const wire::terms& sent) {
  auto out = std::make_shared<job_terms>();
  if (sent != wire::terms{}) wire::encode_terms(sent, out->encoded);
  out->label = all.label;
  out->group = all.group;
  out->where = {all.node, all.nodes, all.isolation, sent.resources};
  out->attempts = all.attempts;
  out->priority = all.priority;
  out->at_most_once = all.at_most_once;
  out->idempotent = all.idempotent;
  out->output = all.output;
  return out;
}

}  // namespace

void check(const job_options& how) {
  check_time("timeout", how.timeout);
  check_time("cpu_time", how.cpu_time);
  if (how.memory != 0 && how.memory < least_memory) wrong("memory", "0 (what the node allows) or at least 1 MiB");
  if (how.max_result > most_result) wrong("max_result", "0 to 1 GiB");
  if (how.attempts > most_attempts) wrong("attempts", "0 (options.attempts) or 1 to 1000");
  if (how.at_most_once && how.idempotent) wrong("idempotent", "false for a job that is at_most_once");
  if (how.priority < -most_priority || how.priority > most_priority) wrong("priority", "-100 to 100");
  if (how.label.size() > wire::max_label) wrong("label", "at most 255 bytes");
  check_text("label", how.label);
  check_text("node", how.node);
  check_text("nodes", how.nodes);
  if (const auto bad = wrong_pattern(how.nodes); !bad.empty())
    wrong("nodes", "patterns as a shell has them, which '" + bad + "' is not");
  if (how.isolation > isolation::sandbox) wrong("isolation", "none, basic, landlock or sandbox");
  if (how.output > output::drop) wrong("output", "usual, echo, keep or drop");
  checked_resources("job_options.resources", how.resources);
  check_environment(how.environment);
}

std::vector<wire::resource> checked_resources(const std::string& name, const std::map<std::string, unsigned>& all) {
  std::vector<wire::resource> out;
  if (all.size() > wire::max_resources) throw error(errc::bad_option, name + " must be at most 64 resources");
  for (const auto& [resource, count] : all) {
    if (!wire::is_resource_name(resource))
      throw error(errc::bad_option, name + "['" + resource + "'] must be named by 1 to 32 of a-z 0-9 _ . -");
    if (count < 1 || count > 65535) throw error(errc::bad_option, name + "['" + resource + "'] must be 1 to 65535");
    out.push_back({resource, static_cast<std::uint16_t>(count)});
  }
  return out;
}

std::shared_ptr<const job_terms> make_terms(const job_options& how, const job_options& usual) {
  check(how);
  const auto all = merged(how, usual);
  const auto sent = for_node(all);
  return says_nothing(all, sent) ? nullptr : put_together(all, sent);
}

std::shared_ptr<const job_terms> make_terms(const job_options& how, const job_options& usual, detail::job_place place) {
  check(how);
  auto all = merged(how, usual);
  using wire::place_use;
  if (place.use != place_use::one_each)
    all.at_most_once = all.idempotent = false;  // its place says how often it may run
  if (place.use != place_use::one_each) all.resources.clear();
  all.idempotent = false;
  if (place.use == place_use::inside) {
    all.node.clear(), all.nodes.clear();
    all.isolation = isolation::none;
    all.priority = 0;
  }
  auto sent = for_node(all);
  sent.use = place.use;
  sent.place = place.name;
  auto out = put_together(all, sent);
  out->place = std::move(place);
  return out;
}
}  // namespace pp::ppclient
