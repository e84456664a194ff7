// The ppclient command: arguments in, exit status out; one file per subcommand, all through the public headers.
#include <iostream>

#include "command.hpp"

namespace {

using namespace ppclient;

void add_common(CLI::App& app, common_options& o) {
  app.add_option("-w,--wait", o.wait_seconds, "Seconds to wait for a first answer")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  app.add_option("--node", o.nodes, "Also ask HOST[:PORT], found or not (like PP_NODES)");
  app.add_option("-i,--interface", o.interfaces,
                 "Ask on these interfaces only: names or addresses, comma list (PP_INTERFACES)");
  app.add_option("--discovery-port", o.discovery_port, "UDP port nodes are asked on (PP_DISCOVERY_PORT, else 60000)")
      ->check(CLI::Range(1, 65535));
  app.add_option("--secret-file", o.secret_file,
                 "The keyring: a path, - or fd:N (PP_SECRET_FILE, else the usual places)");
}

int status_of(const pp::error& e) {
  if (e.code() == pp::errc::bad_option || e.code() == pp::errc::refused) return bad_configuration;
  return unavailable;
}

int run(int argc, char** argv) {
  CLI::App app("Asks pp nodes who and how they are, calls functions there, and lets nodes end.", "ppclient");
  app.set_version_flag("--version", "ppclient " PP_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit status: 0 done, 64 wrong usage, 65 a file that cannot be read, 69 nothing found or not reachable, 70 a call "
      "failed, 78 bad key or configuration.");
  common_options common;
  action chosen;
  add_common(app, common);
  add_call(app, common, chosen);
  add_drain(app, common, chosen);
  add_functions(app, common, chosen);
  add_nodes(app, common, chosen);
  add_ping(app, common, chosen);
  add_stats(app, common, chosen);
  add_replay(app, common, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? done : usage;
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // the client asks for it, although no function of this program ever runs elsewhere
  return run(argc, argv);
} catch (const pp::error& e) {
  std::cerr << "ppclient: " << e.what() << '\n';
  return status_of(e);
} catch (const std::exception& e) {
  std::cerr << "ppclient: " << e.what() << '\n';
  return unavailable;
}
