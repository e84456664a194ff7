// ppclient stats: what nodes say about themselves.
#include <cstdio>
#include <iostream>
#include <memory>

#include "command.hpp"

namespace ppclient {
namespace {

struct stats_options : output_options {
  std::string node;
};

void print_lines(const std::string& prefix, const nlohmann::ordered_json& value) {
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, inner] : value.items()) print_lines(prefix.empty() ? key : prefix + "." + key, inner);
  } else {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    std::printf("  %-32s %s\n", printable(prefix).c_str(), printable(text).c_str());
  }
}

void print_table(const nlohmann::ordered_json& all) {
  for (const auto& node : all) {
    std::printf("%s\n", printable(node.value("name", node.value("node_id", "node"))).c_str());
    print_lines("", node);
  }
}

// A node is asked by its id, which no other node can have; one given by hand is asked as it was written.
std::vector<std::string> nodes_to_ask(const pp::client& client, const stats_options& o) {
  if (!o.node.empty()) return {o.node};
  std::vector<std::string> names;
  for (const auto& n : client.nodes()) {
    if (n.state == "ready" || n.state == "draining") names.push_back(n.id.empty() ? n.address : n.id);
  }
  return names;
}

int run(const common_options& common, const stats_options& o) {
  pp::client client(to_client_options(common));
  const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(common.wait_seconds * 1000));
  if (!look_for_nodes(client, common)) return tell_nothing_found(client);
  auto all = nlohmann::ordered_json::array();
  int status = done;
  for (const auto& node : nodes_to_ask(client, o)) {
    try {
      all.push_back(nlohmann::ordered_json::parse(client.node_stats(node, limit)));
    } catch (const std::exception& e) {
      std::cerr << "ppclient: " << printable(node) << ": " << e.what() << '\n';
      status = unavailable;
    }
  }
  if (o.json) {
    std::cout << all.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) << '\n';
  } else {
    print_table(all);
  }
  return status;
}

}  // namespace

void add_stats(CLI::App& app, common_options& common, action& chosen) {
  auto* command =
      app.add_subcommand("stats", "What nodes say about themselves: jobs, workers, memory of programs, clients");
  auto o = std::make_shared<stats_options>();
  command->add_option("NODE", o->node, "Only this node: its name, its id, or its address HOST:PORT");
  command->add_flag("--json", o->json, "Print a JSON array with one object for each node");
  command->callback([&common, &chosen, o] { chosen = [&common, o] { return run(common, *o); }; });
}

}  // namespace ppclient
