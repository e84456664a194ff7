// ppclient drain: lets a node finish what runs, give back what does not, and end.
#include <cstdio>
#include <iostream>
#include <memory>

#include "command.hpp"

namespace ppclient {
namespace {

struct drain_options {
  std::string node;
  double limit_seconds = 0;
};

std::chrono::milliseconds in_ms(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

int run(const common_options& common, const drain_options& o) {
  auto settings = to_client_options(common);
  settings.role = pp::role::admin;
  pp::client client(settings);
  if (!look_for_nodes(client, common)) return tell_nothing_found(client);
  client.drain(o.node, in_ms(o.limit_seconds), in_ms(common.wait_seconds));
  std::printf("%s drains: it takes no more jobs and ends when those that run are done\n", printable(o.node).c_str());
  return done;
}

}  // namespace

void add_drain(CLI::App& app, common_options& common, action& chosen) {
  auto* command = app.add_subcommand("drain", "Let a node finish what runs there, give back what does not, and end");
  auto o = std::make_shared<drain_options>();
  command->add_option("NODE", o->node, "Its name, its id, or its address HOST:PORT")->required();
  command->add_option("--limit", o->limit_seconds, "Seconds that running jobs may take (0 = its --drain-timeout)")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0));
  command->callback([&common, &chosen, o] { chosen = [&common, o] { return run(common, *o); }; });
}

}  // namespace ppclient
