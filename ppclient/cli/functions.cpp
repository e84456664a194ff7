// ppclient functions: what can be called by name.
#include <cstdio>
#include <iostream>
#include <memory>

#include "command.hpp"

namespace ppclient {
namespace {

nlohmann::ordered_json json_of(const pp::named_function& f) {
  return {{"name", f.name}, {"signature", f.signature}, {"help", f.help}, {"nodes", f.nodes}};
}

void print(const pp::named_function& f) {
  std::string nodes;
  for (const auto& n : f.nodes) nodes += (nodes.empty() ? "" : ", ") + n;
  std::printf("%s\n", printable(f.signature).c_str());
  if (!f.help.empty()) std::printf("    %s\n", printable(f.help).c_str());
  std::printf("    on %s\n", printable(nodes).c_str());
}

int run(const common_options& common, const output_options& o) {
  pp::client client(to_client_options(common));
  if (!look_for_nodes(client, common)) return tell_nothing_found(client);
  const auto all = client.functions();
  if (o.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& f : all) list.push_back(json_of(f));
    std::cout << list.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else {
    for (const auto& f : all) print(f);
    if (all.empty()) std::puts("nothing: a program offers functions with pp::publish and client.offer()");
  }
  return done;
}

}  // namespace

void add_functions(CLI::App& app, common_options& common, action& chosen) {
  auto* command = app.add_subcommand("functions", "Functions that can be called by name: signature, help, nodes");
  auto o = std::make_shared<output_options>();
  command->add_flag("--json", o->json, "Print a JSON array with one object for each function");
  command->callback([&common, &chosen, o] { chosen = [&common, o] { return run(common, *o); }; });
}

}  // namespace ppclient
