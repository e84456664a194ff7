#include "ppclient/settings.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "pp/error.hpp"
#include "ppclient/job_terms.hpp"

namespace pp::ppclient {
namespace {

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

[[noreturn]] void wrong(const std::string& text) { throw error(errc::bad_option, text); }

int number_from(const char* name, std::string_view text, int lowest, int highest) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || value < lowest || value > highest) {
    wrong(std::string(name) + "='" + std::string(text) + "' is not a number from " + std::to_string(lowest) + " to " +
          std::to_string(highest));
  }
  return value;
}

void add_nodes(options& o, std::string_view list) {
  while (!list.empty()) {
    const auto end = list.find(',');
    const auto one = list.substr(0, end);
    if (!one.empty()) o.nodes.emplace_back(one);
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
  }
}

void take_environment(options& o) {
  const options defaults;
  if (o.interfaces.empty()) o.interfaces = environment("PP_INTERFACES");
  add_nodes(o, environment("PP_NODES"));
  if (const auto v = environment("PP_DISCOVERY"); !v.empty()) {
    if (v != "on" && v != "off") wrong("PP_DISCOVERY='" + std::string(v) + "' is neither on nor off");
    if (v == "off") o.discovery = false;
  }
  if (const auto v = environment("PP_DISCOVERY_PORT"); !v.empty() && o.discovery_port == defaults.discovery_port) {
    o.discovery_port = static_cast<std::uint16_t>(number_from("PP_DISCOVERY_PORT", v, 1, 65535));
  }
  if (const auto v = environment("PP_LOCAL_WORKERS"); !v.empty() && v != "auto" && o.local.is_automatic()) {
    o.local = number_from("PP_LOCAL_WORKERS", v, 0, 4096);
  }
  if (const auto v = environment("PP_SPIN"); !v.empty() && o.spin == defaults.spin) {
    o.spin = std::chrono::microseconds(number_from("PP_SPIN", v, 0, 10000));
  }
}

// What is meant as "for ever" must not overflow the clock.
void bound(options& o) {
  constexpr std::chrono::hours century(24 * 365 * 100);
  for (auto* limit : {&o.no_nodes_timeout, &o.connect_timeout, &o.heartbeat, &o.suspect_after, &o.dead_after}) {
    *limit = std::min<std::chrono::milliseconds>(*limit, century);
  }
}

void check_options(const options& o) {
  check_local_workers(o.local);
  if (o.discovery_port == 0) wrong("options.discovery_port must be 1 to 65535");
  if (o.attempts < 1 || o.attempts > 1000) wrong("options.attempts must be 1 to 1000");
  if (o.max_pending_bytes == 0) wrong("options.max_pending_bytes must not be 0");
  if (o.spin.count() < 0 || o.spin > std::chrono::milliseconds(10))
    wrong("options.spin must be 0 to 10000 microseconds");
  if (o.no_nodes_timeout.count() < 0) wrong("options.no_nodes_timeout must not be negative");
  if (o.connect_timeout.count() <= 0) wrong("options.connect_timeout must be positive");
  if (o.heartbeat.count() <= 0) wrong("options.heartbeat must be positive");
  if (o.suspect_after <= o.heartbeat) wrong("options.suspect_after must exceed options.heartbeat");
  if (o.dead_after <= o.heartbeat * 2) wrong("options.dead_after must exceed twice options.heartbeat");
  if (o.role < role::submit || o.role > role::admin) wrong("options.role must be submit, observe or admin");
  ppclient::checked_resources("options.resources", o.resources);
  ppclient::check(o.job);
  if (!o.job.after.empty()) wrong("options.job.after must be empty: name what a job waits for when you submit it");
}

}  // namespace

options complete(options o) {
  take_environment(o);
  bound(o);
  check_options(o);
  return o;
}

void check_local_workers(local_workers count) {
  if (!count.is_automatic() && (count.count < 0 || count.count > 4096))
    wrong("options.local must be 0 to 4096 or automatic()");
}

worker::road_kind local_road() {
  const auto v = environment("PP_WORKER_ROAD");
  if (v.empty() || v == "automatic") return worker::road_kind::automatic;
  if (v == "ring") return worker::road_kind::ring;
  if (v == "socket") return worker::road_kind::socket;
  wrong("PP_WORKER_ROAD='" + std::string(v) + "' is none of automatic, ring, socket");
}

}  // namespace pp::ppclient
