#include "ppserver/config.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "ppserver/config_options.hpp"

namespace pp::ppserver {
namespace {

constexpr const char* about =
    "ppserver: makes this machine a node, which runs jobs for every client that proves it has the same key.\n"
    "Without arguments it makes a key on first use, listens on port 60000, announces itself, and uses all CPUs.";

constexpr const char* statuses =
    "Exit status:\n"
    "  0   done: stopped by SIGTERM or SIGINT, or idle for --timeout\n"
    "  64  usage: a wrong flag or value on the command line\n"
    "  69  cannot listen, or a ppserver with the same pid file is running\n"
    "  78  bad configuration file, interface, cache directory or key\n"
    "Signals: SIGTERM, SIGINT finish running jobs and stop (twice: at once); SIGUSR1 prints statistics; SIGHUP reads the\n"
    "keyring again. More in docs/operations.md.";

std::string first_of_list(const char* list) { return std::string(list).substr(0, std::string_view(list).find(':')); }

std::string home_directory() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') return home;
  const passwd* user = getpwuid(geteuid());
  return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "";
}

std::string default_cache_directory() {
  // systemd's CacheDirectory= is this node's own; the others are shared by everything the user runs.
  if (const char* given = std::getenv("CACHE_DIRECTORY"); given != nullptr && *given == '/')
    return first_of_list(given);
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return std::string(cache) + "/pp";
  const auto home = home_directory();
  return home.empty() ? "" : home + "/.cache/pp";
}

std::string default_name() {
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return "node";
  return std::string(host).substr(0, 30);
}

std::string check_name(const std::string& name) {
  if (name.empty() || name.size() > 30) return "a node's name has 1 to 30 bytes";
  for (const unsigned char c : name) {
    if (c <= ' ' || c == 0x7f) return "a node's name has no spaces or control characters";
  }
  return {};
}

void add_key_options(CLI::App& app, raw_options& o) {
  auto& s = o.settings;
  auto* file =
      app.add_option("--secret-file", s.secret_file,
                     "Keyring: a path, - for standard input, or fd:N; else $PP_SECRET_FILE and the usual places")
          ->type_name("PATH");
  app.add_option("-s,--secret", s.inline_secret, "The secret itself; discouraged, others may see it: use a keyring")
      ->type_name("VALUE")
      ->excludes(file);
  app.add_flag("--no-inline-secret", s.no_inline_secret, "Refuse to start with -s or $PP_SECRET");
  app.add_flag("--allow-weak-secret", s.allow_weak_secret, "Accept a weak passphrase, and listen on loopback only");
}

void add_network_options(CLI::App& app, raw_options& o) {
  auto& s = o.settings;
  app.add_option("-i,--interface", o.interfaces, "Interfaces or addresses to use, separated by commas; none = all")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("PP_INTERFACES")
      ->type_name("LIST");
  app.add_option("-b,--broadcast", o.broadcasts, "Addresses to announce to instead of the interfaces' own")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("LIST");
  app.add_option("-p,--port", s.port, "TCP port to listen on; 0 = any free one, told by the ready line")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str()
      ->type_name("PORT");
  app.add_option("--discovery-port", s.discovery_port, "UDP port of discovery, the same on all machines")
      ->check(CLI::Range(1, 65535))
      ->envname("PP_DISCOVERY_PORT")
      ->capture_default_str()
      ->type_name("PORT");
  app.add_flag("--no-peer-transfer", o.no_peer_transfer, "Programs come from clients only, and go to no other node");
  auto* off =
      app.add_flag("--no-discovery", o.no_discovery, "Neither announce nor answer: clients must name this node");
  app.add_flag("-a,--auto", o.automatic, "Announce this node; the default, accepted for Parallel Python's users")
      ->excludes(off);
  app.add_option("--name", s.name, "What people call this node")
      ->check(check_name)
      ->default_str("host name")
      ->type_name("NAME");
}

void add_time_options(CLI::App& app, raw_options& o) {
  constexpr std::uint64_t year_s = 366ULL * 24 * 3600;
  app.add_option("-t,--timeout", o.idle_s, "Exit after so many seconds without a client; 0 = never")
      ->check(CLI::Range(std::uint64_t{0}, year_s))
      ->capture_default_str()
      ->type_name("SECONDS");
  app.add_option("--drain-timeout", o.drain_s, "How long running jobs may take to finish when stopping")
      ->check(CLI::Range(std::uint64_t{0}, year_s))
      ->capture_default_str()
      ->type_name("SECONDS");
  app.add_option("--heartbeat", o.heartbeat_ms, "A sign of life goes to every client this often")
      ->check(CLI::Range(10, 600000))
      ->capture_default_str()
      ->type_name("MS");
  app.add_option("--dead-after", o.dead_ms, "A client silent for so long is gone and its jobs are stopped")
      ->check(CLI::Range(20, 3600000))
      ->capture_default_str()
      ->type_name("MS");
  app.add_option("-k", o.socket_timeout, "Ignored: heartbeats decide who is dead, and jobs may last for ever")
      ->type_name("SECONDS");
}

void add_process_options(CLI::App& app, raw_options& o) {
  auto& s = o.settings;
  app.add_option("-P,--pid-file", s.pid_file, "Written once it listens, removed when it ends")->type_name("PATH");
  app.add_option("--node-id-file", s.node_id_file,
                 "Keeps this node's id from one start to the next; without it each start has its own")
      ->type_name("PATH");
  app.add_flag("-d,--debug", o.debug, "The same as --log-level debug");
  app.add_option("--log-level", o.log_level, "The least important lines that are written")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->envname("PP_LOG")
      ->capture_default_str()
      ->type_name("LEVEL");
  app.add_option("-f,--log-format", o.log_format, "Form of the log lines on standard error")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->type_name("text|json");
  app.add_option("-n", o.pickle_protocol, "Ignored: Parallel Python's pickle protocol has no meaning here")
      ->type_name("N");
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts) all += (all.empty() ? "" : ",") + part;
  return all;
}

config finished(raw_options& o) {
  config s = std::move(o.settings);
  if (s.name.empty()) s.name = default_name();
  if (s.cache_directory.empty()) s.cache_directory = default_cache_directory();
  if (s.cache_directory.empty())
    throw CLI::ValidationError("there is no home directory for the cache: give one with --cache-dir");
  if (o.dead_ms <= 2 * o.heartbeat_ms) throw CLI::ValidationError("--dead-after must be more than twice --heartbeat");
  s.interfaces = joined(o.interfaces);
  s.broadcasts = joined(o.broadcasts);
  s.discovery = !o.no_discovery;
  s.peer_transfer = !o.no_peer_transfer;
  finish_worker_options(o, s);
  s.idle_timeout = std::chrono::seconds(o.idle_s);
  s.drain_timeout = std::chrono::seconds(o.drain_s);
  s.heartbeat = std::chrono::milliseconds(o.heartbeat_ms);
  s.dead_after = std::chrono::milliseconds(o.dead_ms);
  log::parse_level(o.debug ? "debug" : o.log_level, s.log_level);
  s.log_format = o.log_format == "json" ? log::format::json : log::format::text;
  return s;
}

std::vector<std::string> warnings_of(const raw_options& o) {
  std::vector<std::string> lines;
  if (o.pickle_protocol) lines.emplace_back("-n is ignored: there is no pickle protocol here");
  if (o.socket_timeout) lines.emplace_back("-k is ignored: heartbeats decide who is dead (--heartbeat, --dead-after)");
  if (o.settings.inline_secret) {
    lines.emplace_back(
        "a secret on the command line can be seen by others: put it into a keyring (ppserver key import)");
  }
  return lines;
}

/// An application with every option, and the storage the options write to.
struct command_parser {
  explicit command_parser(const add_commands& add) : app(about, "ppserver") {
    app.set_help_flag("-h,--help", "Print this and exit");
    app.set_version_flag("--version", PP_VERSION, "Print the version and exit");
    app.footer(statuses);
    app.get_formatter()->column_width(34);
    add_network_options(app, options);
    add_worker_options(app, options);
    add_key_options(app, options);
    add_time_options(app, options);
    add_process_options(app, options);
    if (add) add(app, chosen);
  }
  command_line parse(int argc, const char* const* argv) {
    app.parse(argc, argv);
    command_line line;
    line.warnings = warnings_of(options);
    line.command = chosen;
    // A subcommand needs no cache, no name, no port: do not fail because of one.
    if (!chosen) line.settings = finished(options);
    return line;
  }

  raw_options options;
  std::function<int()> chosen;
  CLI::App app;
};

constexpr const char* config_help =
    "Configuration file (TOML or INI): long flags without the dashes, flags win over it";

/// Empty if the file can be read, else what is wrong with it.
std::string problem_with_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::strerror(errno);
  struct stat about_it {};
  const bool regular = fstat(fd, &about_it) == 0 && S_ISREG(about_it.st_mode);
  ::close(fd);
  return regular ? "" : "not a regular file";
}

std::variant<command_line, stop> parse_with_file(int argc, const char* const* argv, const add_commands& add,
                                                 const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    return stop{exit_config, "ppserver: cannot use the configuration file " + file + ": " + why};
  };
  if (const auto problem = problem_with_file(file); !problem.empty()) return refuse(problem);
  command_parser parser(add);
  parser.app.set_config("-c,--config", "", config_help);
  parser.app.allow_config_extras(CLI::config_extras_mode::error);
  try {
    return parser.parse(argc, argv);
  } catch (const CLI::ConfigError& e) {
    const std::string what = e.what();
    return refuse("there is no setting '" + what.substr(what.rfind(' ') + 1) + "'");
  } catch (const CLI::ParseError& e) {
    return refuse(e.what());
  }
}

}  // namespace

// Twice, because only then is it known whether the command line or the file is to blame.
std::variant<command_line, stop> parse_command_line(int argc, const char* const* argv, const add_commands& add) {
  command_parser parser(add);
  parser.app.add_option("-c,--config", parser.options.config_file, config_help)->type_name("PATH");
  try {
    auto line = parser.parse(argc, argv);
    if (line.command || parser.options.config_file.empty()) return line;
  } catch (const CLI::CallForHelp&) {
    return stop{exit_done, parser.app.help()};
  } catch (const CLI::CallForVersion&) {
    return stop{exit_done, "ppserver " PP_VERSION};
  } catch (const CLI::ParseError& e) {
    return stop{exit_usage, std::string("ppserver: ") + e.what() + " (ppserver --help lists the flags)"};
  }
  return parse_with_file(argc, argv, add, parser.options.config_file);
}

void wipe_argument(int argc, char** argv, const std::string& secret) {
  for (int i = 1; i < argc && !secret.empty(); ++i) {
    const std::size_t length = std::strlen(argv[i]);
    if (length < secret.size()) continue;
    char* tail = argv[i] + (length - secret.size());
    if (secret == tail) std::memset(tail, '*', secret.size());
  }
}

}  // namespace pp::ppserver
