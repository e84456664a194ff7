#include "ppclient/placement.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <string_view>

#include "worker/resources.hpp"

namespace pp::ppclient {
namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const auto end = list.find(',');
    auto one = list.substr(0, end);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!one.empty()) out.emplace_back(one);
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
  }
  return out;
}

bool matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

// "10.0.0.?" is meant for the host, whatever the port.
std::string host_of(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

// One that excludes wins over all that admit; without one that admits, all are admitted that are not excluded.
bool matches_list(const std::string& patterns, const node_identity& node) {
  bool is_wanted = false, has_wanted = false;
  for (const auto& pattern : split(patterns)) {
    if (pattern.front() == '!') {
      if (matches(pattern.substr(1), node)) return false;
      continue;
    }
    has_wanted = true;
    is_wanted = is_wanted || matches(pattern, node);
  }
  return is_wanted || !has_wanted;
}

bool is_named(const std::string& wanted, const node_identity& node) {
  return wanted == node.name || (!node.id.empty() && wanted == node.id) ||
         std::find(node.addresses.begin(), node.addresses.end(), wanted) != node.addresses.end();
}

}  // namespace

bool matches(const std::string& pattern, const node_identity& node) {
  return matches(pattern, node.name) || std::any_of(node.addresses.begin(), node.addresses.end(), [&](const auto& a) {
           return matches(pattern, a) || matches(pattern, host_of(a));
         });
}

bool admits(const placement& asked, const node_identity& node) {
  if (node.isolation < asked.isolation || !worker::resource_stock(node.resources).declares(asked.resources))
    return false;
  if (!asked.node.empty() && !is_named(asked.node, node)) return false;
  return asked.patterns.empty() || matches_list(asked.patterns, node);
}

std::string wrong_pattern(const std::string& patterns) {
  for (const auto& pattern : split(patterns)) {
    const auto open = pattern.find('[');
    if (pattern == "!") return pattern;
    if (open != std::string::npos && pattern.find(']', open + 2) == std::string::npos) return pattern;
  }
  return split(patterns).empty() && !patterns.empty() ? patterns : std::string();
}

const char* text_of(isolation level) {
  switch (level) {
    case isolation::none: return "none";
    case isolation::basic: return "basic";
    case isolation::landlock: return "landlock";
    case isolation::sandbox: return "sandbox";
  }
  return "?";
}

std::string placement::text() const {
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : " and ") + part; };
  if (!node.empty()) add("job_options.node '" + node + "'");
  if (!patterns.empty()) add("job_options.nodes '" + patterns + "'");
  if (isolation != pp::isolation::none) add(std::string("job_options.isolation ") + text_of(isolation));
  if (!resources.empty()) add("job_options.resources " + worker::text_of(resources));
  return out;
}

}  // namespace pp::ppclient
