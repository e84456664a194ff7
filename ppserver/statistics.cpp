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
          {"bytes_out", s.bytes_out},
          {"weight", s.weight}};
}

json isolation_json(const worker::isolation& i) {
  return {{"level", name_of(i.level)}, {"landlock_abi", i.landlock_abi}, {"files", i.files},
          {"signals", i.signals},      {"network", i.network},           {"text", i.text}};
}

json limits_json(const node_limits& l) {
  return {{"memory", l.memory},
          {"output", l.output},
          {"restarts", l.restarts},
          {"restart_window_s", seconds(l.restart_window)}};
}

json peers_json(const peer_numbers& p) {
  return {{"fetched", p.fetched}, {"fetched_bytes", p.fetched_bytes}, {"fetches_failed", p.fetches_failed},
          {"given", p.given},     {"given_bytes", p.given_bytes},     {"refused", p.refused}};
}

std::string short_id(const code::image_id& image) { return to_hex(image).substr(0, 8); }

json images_json(const std::vector<worker::program_status>& programs) {
  json all = json::array();
  for (const auto& p : programs) {
    all.push_back({{"id", short_id(p.image)},
                   {"workers", p.workers},
                   {"queued", p.queued},
                   {"deaths", p.deaths},
                   {"unfit", p.unfit}});
  }
  return all;
}

json resources_json(const std::vector<worker::resource_stock::item>& all) {
  json list = json::array();
  for (const auto& r : all)
    list.push_back({{"name", r.declared.name}, {"count", r.declared.count}, {"taken", r.taken}});
  return list;
}

json processes_json(const std::vector<worker::worker_status>& workers) {
  json all = json::array();
  for (const auto& w : workers) {
    all.push_back({{"pid", w.pid},
                   {"state", w.state},
                   {"image", short_id(w.image)},
                   {"label", w.label},
                   {"running_s", seconds(w.running)},
                   {"memory", w.memory},
                   {"cpu_s", seconds(w.cpu)}});
  }
  return all;
}

/// What clients wrote, for a terminal: nothing in it moves the cursor or begins a line, and no letter is cut in two.
std::string for_table(std::string text, std::size_t most) {
  const auto is_inside_letter = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80; };
  if (text.size() > most) {
    while (most > 0 && is_inside_letter(most)) --most;
    text.resize(most);
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too.
    const bool is_late_control = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < ' ' || c == 0x7f || is_late_control) text[i] = '?';
    if (is_late_control) text[i + 1] = '?';
  }
  return text;
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

void add_limits(std::string& out, const node_numbers& n) {
  const auto memory =
      n.limits.memory == 0 ? "no memory limit" : std::to_string(n.limits.memory >> 20U) + " MiB a worker";
  add_line(out, "  limits   %s, %llu KiB of output, %u restarts in %.0f s", memory.c_str(),
           static_cast<unsigned long long>(n.limits.output >> 10U), n.limits.restarts,
           seconds(n.limits.restart_window));
  add_line(out, "  ended    %llu timed out, %llu for memory, %llu cancelled",
           static_cast<unsigned long long>(n.jobs.timed_out), static_cast<unsigned long long>(n.jobs.memory_limit),
           static_cast<unsigned long long>(n.jobs.cancelled));
  add_line(out, "  places   jobs work in %s", n.job_root.c_str());
  add_line(out, "  cgroups  %s", n.cgroup.c_str());
}

void add_resources(std::string& out, const std::vector<worker::resource_stock::item>& all) {
  for (const auto& r : all)
    add_line(out, "  resource %s: %u of %u taken", r.declared.name.c_str(), r.taken, r.declared.count);
}

void add_images(std::string& out, const std::vector<worker::program_status>& programs) {
  if (programs.empty()) return;
  add_line(out, "  %-8s %8s %8s %8s", "program", "workers", "queued", "deaths");
  for (const auto& p : programs) {
    add_line(out, "  %-8s %8u %8u %8u %s", short_id(p.image).c_str(), p.workers, p.queued, p.deaths,
             p.unfit.empty() ? "" : ("refused: " + for_table(p.unfit, 120)).c_str());
  }
}

void add_processes(std::string& out, const std::vector<worker::worker_status>& workers) {
  if (workers.empty()) return;
  add_line(out, "  %-8s %-8s %-8s %10s %9s %9s %s", "worker", "state", "program", "since s", "cpu s", "MiB", "label");
  for (const auto& w : workers) {
    add_line(out, "  %-8d %-8s %-8s %10.1f %9.1f %9.1f %s", w.pid, w.state, short_id(w.image).c_str(),
             seconds(w.running), seconds(w.cpu), mebibytes(w.memory), for_table(w.label, 40).c_str());
  }
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
                    {"peers", peers_json(n.peers)},
                    {"jobs_timed_out", n.jobs.timed_out},
                    {"jobs_memory_limit", n.jobs.memory_limit},
                    {"jobs_cancelled", n.jobs.cancelled},
                    {"limits", limits_json(n.limits)},
                    {"job_dir", n.job_root},
                    {"cgroup", n.cgroup},
                    {"resources", resources_json(n.status.resources)},
                    {"images", images_json(n.status.programs)},
                    {"processes", processes_json(n.status.workers)},
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
  add_line(out, "  peers    %.1f MiB fetched from other nodes, %.1f MiB given to them, %llu fetches in vain",
           mebibytes(n.peers.fetched_bytes), mebibytes(n.peers.given_bytes),
           static_cast<unsigned long long>(n.peers.fetches_failed));
  add_line(out, "  clients  %zu now, %llu since start, %llu strangers refused", n.sessions.size(),
           static_cast<unsigned long long>(n.clients_total), static_cast<unsigned long long>(n.refused));
  add_line(out, "  isolated %s: %s", std::string(name_of(n.isolation.level)).c_str(), n.isolation.text.c_str());
  add_limits(out, n);
  add_resources(out, n.status.resources);
  add_images(out, n.status.programs);
  add_processes(out, n.status.workers);
  if (n.sessions.empty()) return out;
  add_line(out, "  %-24s %-12s %6s %10s %8s %9s %9s %9s", "client", "key", "weight", "jobs", "here", "ms/job", "MiB in",
           "MiB out");
  for (const auto& s : n.sessions) {
    add_line(out, "  %-24s %-12s %6u %10llu %8u %9.3f %9.1f %9.1f", s.address.c_str(), s.key_name.c_str(), s.weight,
             static_cast<unsigned long long>(s.jobs_done), s.outstanding, seconds(s.mean_run_time) * 1000,
             mebibytes(s.bytes_in), mebibytes(s.bytes_out));
  }
  return out;
}

}  // namespace pp::ppserver
