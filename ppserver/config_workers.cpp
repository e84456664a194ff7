// The options about workers: how many, what they may touch and use, and how jobs reach them.
#include <map>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/cpus.hpp"
#include "ppserver/config_options.hpp"
#include "worker/control.hpp"
#include "worker/job_directory.hpp"
#include "worker/usage.hpp"

namespace pp::ppserver {
namespace {

constexpr std::size_t least_output_kept = 4096;

std::string check_variable(const std::string& name) {
  if (name.empty() || name.find('=') != std::string::npos)
    return "'" + name + "' is not the name of an environment variable";
  if (name.rfind("PP_", 0) == 0) return name + " belongs to pp itself and never reaches a job";
  return {};
}

/// KEYNAME=WEIGHT.
std::pair<std::string, std::uint32_t> read_share(const std::string& text) {
  const auto sign = text.rfind('=');
  std::uint32_t weight = 0;
  if (sign != std::string::npos && sign > 0) {
    const auto number = text.substr(sign + 1);
    const bool is_number =
        !number.empty() && number.size() < 5 && number.find_first_not_of("0123456789") == number.npos;
    weight = is_number ? static_cast<std::uint32_t>(std::stoul(number)) : 0;
  }
  return {text.substr(0, sign), weight <= 1000 ? weight : 0};
}

std::string check_share(const std::string& text) {
  if (read_share(text).second > 0) return {};
  return "'" + text + "' is no share: write the name of a key, =, and a weight from 1 to 1000, such as alice=3";
}

/// NAME=COUNT; the count is 0 if it is none.
wire::resource read_resource(const std::string& text) {
  const auto sign = text.rfind('=');
  if (sign == std::string::npos) return {};
  const auto number = text.substr(sign + 1);
  const bool is_number = !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == number.npos;
  const auto count = is_number ? std::stoul(number) : 0;
  return {text.substr(0, sign), static_cast<std::uint16_t>(count <= UINT16_MAX ? count : 0)};
}

std::string check_resource(const std::string& text) {
  const auto read = read_resource(text);
  if (wire::is_resource_name(read.name) && read.count > 0) return {};
  return "'" + text +
         "' is no resource: write a name of 1 to 32 of a-z 0-9 _ . -, =, and how many from 1 to 65535, such as gpu=2";
}

std::vector<wire::resource> resources_of(const std::vector<std::string>& texts) {
  std::map<std::string, wire::resource> all;  // the last one of a name counts
  for (const auto& text : texts) all[read_resource(text).name] = read_resource(text);
  if (all.size() > wire::max_resources) throw CLI::ValidationError("--resource: at most 64 of them");
  std::vector<wire::resource> out;
  for (auto& [name, one] : all) out.push_back(one);
  return out;
}

std::string check_output_limit(const std::string& bytes_in_all) {
  const bool is_number = !bytes_in_all.empty() && bytes_in_all.find_first_not_of("0123456789") == std::string::npos;
  if (is_number && bytes_in_all.size() < 9) {
    const auto number = std::stoul(bytes_in_all);
    if (number >= least_output_kept && number <= 2 * worker::stream_part) return {};
  }
  return "it keeps at least 4KiB and at most 1MiB of each stream";
}

void add_job_options(CLI::App& app, raw_options& o) {
  auto& s = o.settings;
  app.add_option("-w,--workers", o.workers, "Worker processes at once")
      ->check(CLI::Range(1, 4096))
      ->default_str("effective CPUs")
      ->type_name("N");
  auto* after = app.add_option("--recycle-after", s.recycle_after, "Replace a worker process after N jobs; 0 = never")
                    ->check(CLI::Range(0, 1000000000))
                    ->capture_default_str()
                    ->type_name("N");
  app.add_flag("-r,--recycle", o.recycle, "A new worker process for each job; the same as --recycle-after 1")
      ->excludes(after);
  app.add_option("--pass-env", s.pass_environment, "Environment variables that jobs may see besides the usual ones")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(check_variable)
      ->type_name("LIST");
  app.add_option("--cache-dir", s.cache_directory, "Where clients' programs are kept between runs")
      ->default_str("~/.cache/pp")
      ->type_name("PATH");
  app.add_option("--cache-size", s.cache_bytes, "Most bytes kept there; the least recently used go first")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("2GiB")
      ->type_name("SIZE");
}

void add_isolation_options(CLI::App& app, raw_options& o) {
  auto& s = o.settings;
  app.add_option("--isolate", o.isolate,
                 "What jobs are kept from: nothing; the key and this node; all but listed paths; also network and more")
      ->check(CLI::IsMember({"none", "basic", "landlock", "sandbox"}))
      ->capture_default_str()
      ->type_name("LEVEL");
  app.add_option("--job-user", s.job_user, "Run every job as this user; only root can")->type_name("USER");
  app.add_option("--nice", s.nice, "How much lower the priority of jobs is than this node's own")
      ->check(CLI::Range(0, 19))
      ->capture_default_str()
      ->type_name("N");
}

void add_place_options(CLI::App& app, raw_options& o) {
  app.add_option("--job-dir", o.settings.job_root, "Where workers have their private directories; made if missing")
      ->default_str("CACHE-DIR/jobs-HOST")
      ->type_name("PATH");
  app.add_option("--cgroup", o.settings.use_cgroup, "Give each worker a cgroup where this is permitted: auto, or off")
      ->transform(CLI::CheckedTransformer(std::map<std::string, bool>{{"auto", true}, {"off", false}}))
      ->default_str("auto")
      ->type_name("WORD");
}

void add_limit_options(CLI::App& app, raw_options& o) {
  app.add_option("--memory", o.memory, "Most memory of a worker with all that its job started; 0 = no limit")
      ->transform(CLI::AsSizeValue(false))
      ->default_str("90 % of it / workers")
      ->type_name("SIZE");
  app.add_option("--output-limit", o.settings.output_limit,
                 "Most bytes kept of what a job prints to each stream: half from its beginning, half from its end")
      ->transform(CLI::AsSizeValue(false))
      ->check(check_output_limit)
      ->default_str("1MiB")
      ->type_name("SIZE");
  app.add_option("--share", o.shares, "Weight of a key's clients when slots are shared: KEYNAME=WEIGHT; else 1")
      ->allow_extra_args(false)
      ->check(check_share)
      ->type_name("KEY=N");
  app.add_option("--resource", o.resources, "What this node has for jobs that ask for it: NAME=COUNT, such as gpu=2")
      ->allow_extra_args(false)
      ->check(check_resource)
      ->type_name("NAME=N");
  app.add_option("--restart-limit", o.settings.restart_limit,
                 "A program whose workers die more often than this within --restart-window is refused")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--restart-window", o.restart_s, "The time that --restart-limit is about")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str()
      ->type_name("SECONDS");
  app.add_option("--keep-warm", o.warm_s, "How long idle workers wait for the next client of their program")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str()
      ->type_name("SECONDS");
}

void add_speed_options(CLI::App& app, raw_options& o) {
  app.add_option("--road", o.settings.road, "How jobs reach a worker: shared memory (ring), socket, or what works best")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, worker::road_kind>{{"automatic", worker::road_kind::automatic},
                                                                           {"ring", worker::road_kind::ring},
                                                                           {"socket", worker::road_kind::socket}}))
      ->envname("PP_WORKER_ROAD")
      ->default_str("automatic")
      ->type_name("KIND");
  app.add_option("--spin", o.spin_us, "How long to look for work before sleeping, while cores are idle; 0 = not at all")
      ->check(CLI::Range(0, 10000))
      ->envname("PP_SPIN")
      ->capture_default_str()
      ->type_name("MICROSECONDS");
}

worker::isolation_level isolation_level_of(const std::string& word) {
  using worker::isolation_level;
  for (const auto level : {isolation_level::none, isolation_level::basic, isolation_level::landlock}) {
    if (name_of(level) == word) return level;
  }
  return isolation_level::sandbox;
}

}  // namespace

void add_worker_options(CLI::App& app, raw_options& o) {
  add_job_options(app, o);
  add_isolation_options(app, o);
  add_place_options(app, o);
  add_limit_options(app, o);
  add_speed_options(app, o);
}

void finish_worker_options(const raw_options& o, config& s) {
  if (s.job_root.empty()) s.job_root = worker::default_job_root(s.cache_directory, s.job_user);
  s.isolate = isolation_level_of(o.isolate);
  s.workers = o.workers != 0 ? o.workers : effective_cpus();
  if (o.recycle) s.recycle_after = 1;
  s.memory = o.memory ? *o.memory : worker::usual_memory_limit(s.workers);
  s.restart_window = std::chrono::seconds(o.restart_s);
  s.keep_warm = std::chrono::seconds(o.warm_s);
  for (const auto& share : o.shares) s.key_weights.insert_or_assign(read_share(share).first, read_share(share).second);
  s.resources = resources_of(o.resources);
  s.spin = std::chrono::microseconds(o.spin_us);
}

}  // namespace pp::ppserver
