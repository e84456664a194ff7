// ppclient nodes: who is there.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "command.hpp"

namespace ppclient {
namespace {

const char* text_of(pp::isolation level) {
  switch (level) {
    case pp::isolation::none: return "none";
    case pp::isolation::basic: return "basic";
    case pp::isolation::landlock: return "landlock";
    case pp::isolation::sandbox: return "sandbox";
  }
  return "?";
}

nlohmann::ordered_json as_json(const pp::node_info& n) {
  return {{"name", n.name},          {"node_id", n.id},
          {"address", n.address},    {"slots", n.slots},
          {"free", n.free},          {"version", n.version},
          {"platform", n.platform},  {"state", n.state},
          {"reason", n.reason},      {"isolation", text_of(n.isolation)},
          {"resources", n.resources}};
}

/// ", gpu=1"
std::string resources_of(const pp::node_info& n) {
  std::string out;
  for (const auto& [name, count] : n.resources) out += ", " + name + "=" + std::to_string(count);
  return out;
}

void print_json(const std::vector<pp::node_info>& nodes) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& n : nodes) list.push_back(as_json(n));
  std::cout << list.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

void print_table(const std::vector<pp::node_info>& nodes) {
  std::size_t name_width = 4, address_width = 7;
  for (const auto& n : nodes) {
    name_width = std::max(name_width, printable(n.name).size());
    address_width = std::max(address_width, n.address.size());
  }
  const auto w1 = static_cast<int>(name_width), w2 = static_cast<int>(address_width);
  std::printf("%-*s  %-*s  %5s  %4s  %-8s  %-9s  %-10s  %s\n", w1, "NAME", w2, "ADDRESS", "SLOTS", "FREE", "VERSION",
              "ISOLATION", "STATE", "PLATFORM");
  for (const auto& n : nodes) {
    std::printf("%-*s  %-*s  %5u  %4u  %-8s  %-9s  %-10s  %s\n", w1, printable(n.name).c_str(), w2, n.address.c_str(),
                n.slots, n.free, printable(n.version).c_str(), text_of(n.isolation), n.state.c_str(),
                printable(n.reason.empty() ? n.platform + resources_of(n) : n.reason).c_str());
  }
}

int run(const common_options& common, const output_options& out) {
  pp::client client(to_client_options(common));
  const bool any = look_for_nodes(client, common);
  const auto nodes = client.nodes();
  if (out.json) print_json(nodes);
  if (!any) return tell_nothing_found(client);
  if (!out.json) print_table(nodes);
  return done;
}

}  // namespace

void add_nodes(CLI::App& app, common_options& common, action& chosen) {
  auto* command = app.add_subcommand("nodes", "Who is there: every node that answers, its workers and its platform");
  auto out = std::make_shared<output_options>();
  command->add_flag(
      "--json", out->json,
      "Print a JSON array (name node_id address slots free version platform state reason isolation resources)");
  command->callback([&common, &chosen, out] { chosen = [&common, out] { return run(common, *out); }; });
}

}  // namespace ppclient
