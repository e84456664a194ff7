// Arguments in, exit status out; the only file that knows either.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/crypto.hpp"
#include "auth/keyring.hpp"
#include "base/log.hpp"
#include "net/loop.hpp"
#include "ppserver/config.hpp"
#include "ppserver/key_command.hpp"
#include "ppserver/node.hpp"
#include "ppserver/pid_file.hpp"
#include "worker/orphans.hpp"

namespace pp::ppserver {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif
#else
constexpr bool is_sanitized = false;
#endif

/// What holds from the first moment, before any key is read.
void harden_process() {
  auth::ignore_openssl_config();
  umask(077);
  worker::orphans::adopt();
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // The leak checker attaches to its own process, which a non-dumpable one forbids.
  if (!is_sanitized) prctl(PR_SET_DUMPABLE, 0);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, std::max<rlim_t>(files.rlim_cur, 16384));
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int fail(int status, const std::string& text) {
  std::fprintf(stderr, "ppserver: %s\n", text.c_str());
  return status;
}

auth::key_source key_source_of(const config& settings) {
  auth::key_source from;
  from.file = settings.secret_file;
  from.inline_secret = settings.inline_secret;
  from.allow_weak = settings.allow_weak_secret;
  from.create_if_missing = true;
  return from;
}

void say_what_is_noteworthy(const command_line& line, const auth::loaded_keyring& keys) {
  for (const auto& text : line.warnings) log::warn("note", {{"text", text}});
  const auto& key = keys.keys.proving();
  log::info(keys.created ? "key_created" : "keys",
            {{"origin", keys.origin}, {"proving", key.id_text()}, {"keys", keys.keys.keys().size()}});
}

/// Runs the node to its end. Throws what it throws.
void serve(node& n, net::io_context& io, duration spin) {
  std::exception_ptr failure;
  net::asio::co_spawn(io, n.run(), [&](std::exception_ptr why) { failure = std::move(why); });
  net::run(io, spin);
  if (failure) std::rethrow_exception(failure);
}

int run_node(const command_line& line) {
  const config& settings = line.settings;
  if (settings.no_inline_secret && (settings.inline_secret || std::getenv("PP_SECRET") != nullptr)) {
    return fail(exit_config,
                "--no-inline-secret forbids -s and $PP_SECRET: put the secret into a keyring (ppserver key import)");
  }
  const auto source = key_source_of(settings);
  auto keys = auth::load_keyring(source);
  say_what_is_noteworthy(line, keys);
  if (!settings.pid_file.empty()) pid_file::check(settings.pid_file);
  net::io_context io(1);
  node n(io, settings, source, std::move(keys));
  const pid_file named = settings.pid_file.empty() ? pid_file() : pid_file(settings.pid_file);
  serve(n, io, settings.spin);
  return exit_done;
}

int start(int argc, char** argv) {
  harden_process();
  auto parsed = parse_command_line(argc, argv, add_key_command);
  if (const auto* end = std::get_if<stop>(&parsed)) {
    std::fprintf(end->status == exit_done ? stdout : stderr, "%s\n", end->text.c_str());
    return end->status;
  }
  auto& line = std::get<command_line>(parsed);
  if (line.command) return line.command();
  if (line.settings.inline_secret) wipe_argument(argc, argv, *line.settings.inline_secret);
  log::set_up(line.settings.log_level, line.settings.log_format);
  try {
    return run_node(line);
  } catch (const cannot_listen& e) {
    return fail(exit_unavailable, e.what());
  } catch (const error& e) {
    return fail(e.code() == errc::overloaded ? exit_unavailable : exit_config, e.what());
  }
}

}  // namespace
}  // namespace pp::ppserver

int main(int argc, char** argv) {
  try {
    return pp::ppserver::start(argc, argv);
  } catch (const std::exception& e) {
    return pp::ppserver::fail(70, e.what());
  }
}
