#include "ppserver/statistics.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace pp::ppserver {
namespace {

using json = nlohmann::ordered_json;

double seconds(duration length) { return std::chrono::duration<double>(length).count(); }
double mebibytes(std::uint64_t bytes_in_all) { return static_cast<double>(bytes_in_all) / (1 << 20); }
unsigned free_slots(const node_numbers& n) { return n.slots > n.jobs.running ? n.slots - n.jobs.running : 0; }

json session_json(const session_numbers& s) {
  return {{"address", s.address},
          {"key", s.key_name},
          {"client_id", s.client_id},
          {"connected_s", seconds(s.connected)},
          {"jobs_done", s.jobs_done},
          {"jobs_returned", s.jobs_returned},
          {"outstanding", s.outstanding},
          {"credit_window", s.credit_window},
          {"mean_run_ms", seconds(s.mean_run_time) * 1000},
          {"bytes_in", s.bytes_in},
          {"bytes_out", s.bytes_out}};
}

json isolation_json(const worker::isolation& i) {
  return {{"level", name_of(i.level)}, {"landlock_abi", i.landlock_abi}, {"files", i.files},
          {"signals", i.signals},      {"network", i.network},           {"text", i.text}};
}

[[gnu::format(printf, 2, 3)]] void add_line(std::string& to, const char* form, ...) {
  char line[256];
  va_list values;
  va_start(values, form);
  const int length = std::vsnprintf(line, sizeof line, form, values);
  va_end(values);
  to.append(line, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof line) - 1)));
  to += '\n';
}

}  // namespace

std::string to_json(const node_numbers& n) {
  json sessions = json::array();
  for (const auto& s : n.sessions) sessions.push_back(session_json(s));
  const json all = {{"name", n.name},
                    {"node_id", n.node_id},
                    {"version", PP_VERSION},
                    {"address", n.address},
                    {"uptime_s", seconds(n.uptime)},
                    {"draining", n.draining},
                    {"slots", n.slots},
                    {"free", free_slots(n)},
                    {"workers", n.jobs.workers},
                    {"running", n.jobs.running},
                    {"queued", n.jobs.queued},
                    {"jobs_done", n.jobs.jobs_done},
                    {"jobs_crashed", n.jobs.jobs_crashed},
                    {"workers_started", n.jobs.workers_started},
                    {"workers_crashed", n.jobs.workers_crashed},
                    {"clients", n.sessions.size()},
                    {"clients_total", n.clients_total},
                    {"refused", n.refused},
                    {"code",
                     {{"bytes_received", n.programs.bytes_received},
                      {"modules_received", n.programs.modules_received},
                      {"hits", n.programs.hits},
                      {"evicted", n.programs.evicted},
                      {"bytes_stored", n.programs.bytes_stored}}},
                    {"isolation", isolation_json(n.isolation)},
                    {"sessions", std::move(sessions)}};
  return all.dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string to_table(const node_numbers& n) {
  std::string out;
  add_line(out, "Node %s (%s) at %s, up %.0f s%s", n.name.c_str(), n.node_id.c_str(), n.address.c_str(),
           seconds(n.uptime), n.draining ? ", draining" : "");
  add_line(out, "  jobs     %llu done, %u running, %u queued, %llu crashed",
           static_cast<unsigned long long>(n.jobs.jobs_done), n.jobs.running, n.jobs.queued,
           static_cast<unsigned long long>(n.jobs.jobs_crashed));
  add_line(out, "  workers  %u of %u, %llu started, %llu crashed", n.jobs.workers, n.slots,
           static_cast<unsigned long long>(n.jobs.workers_started),
           static_cast<unsigned long long>(n.jobs.workers_crashed));
  add_line(out, "  programs %.1f MiB received, %.1f MiB kept, %llu found in the cache, %llu evicted",
           mebibytes(n.programs.bytes_received), mebibytes(n.programs.bytes_stored),
           static_cast<unsigned long long>(n.programs.hits), static_cast<unsigned long long>(n.programs.evicted));
  add_line(out, "  clients  %zu now, %llu since start, %llu strangers refused", n.sessions.size(),
           static_cast<unsigned long long>(n.clients_total), static_cast<unsigned long long>(n.refused));
  add_line(out, "  isolated %s: %s", std::string(name_of(n.isolation.level)).c_str(), n.isolation.text.c_str());
  if (n.sessions.empty()) return out;
  add_line(out, "  %-24s %-12s %10s %8s %9s %9s %9s", "client", "key", "jobs", "here", "ms/job", "MiB in", "MiB out");
  for (const auto& s : n.sessions) {
    add_line(out, "  %-24s %-12s %10llu %8u %9.3f %9.1f %9.1f", s.address.c_str(), s.key_name.c_str(),
             static_cast<unsigned long long>(s.jobs_done), s.outstanding, seconds(s.mean_run_time) * 1000,
             mebibytes(s.bytes_in), mebibytes(s.bytes_out));
  }
  return out;
}

}  // namespace pp::ppserver
