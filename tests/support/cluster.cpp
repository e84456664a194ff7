#include "tests/support/cluster.hpp"

#include <atomic>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

std::vector<std::string> command_of(const node::parameters& p) {
  std::vector<std::string> arguments = p.prefix;
  for (const std::string& word :
       {std::string(PP_SERVER_PROGRAM), std::string("-p"), std::to_string(p.port), std::string("--name"), p.name,
        std::string("-w"), std::to_string(p.workers), std::string("--log-format"), std::string("json")}) {
    arguments.push_back(word);
  }
  arguments.insert(arguments.end(), p.extra.begin(), p.extra.end());
  return arguments;
}

nlohmann::json ready_line_of(const std::string& log) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    if (parsed.is_object() && parsed.value("event", "") == "ready") return parsed;
  }
  return {};
}

}  // namespace

node::node(const std::filesystem::path& directory, const std::filesystem::path& caches,
           std::map<std::string, std::string> environment, const parameters& p)
    : name_(p.name) {
  static std::atomic<int> count{0};
  cache_ = caches / ("cache-" + p.name + "-" + std::to_string(++count));
  std::filesystem::create_directory(cache_);
  environment["XDG_CACHE_HOME"] = cache_.string();
  for (const auto& [key, value] : p.environment) environment[key] = value;
  child_process::parameters start{command_of(p), environment, {}, directory, p.name, ""};
  process_ = std::make_unique<child_process>(start);
  if (p.wait_until_ready) wait_until_ready();
}

void node::wait_until_ready() {
  const bool ready = wait_until([this] { return is_ready() || !process_->is_running(); }) && is_ready();
  if (!ready) {
    ADD_FAILURE() << name_ << " did not become ready:\n" << log();
    return;
  }
  const auto line = ready_line_of(log());
  address_ = line.value("address", "");
  id_ = line.value("node", "");
}

bool node::is_ready() const { return !ready_line_of(log()).is_null(); }

std::uint16_t node::port() const {
  return static_cast<std::uint16_t>(std::stoi("0" + address_.substr(address_.rfind(':') + 1)));
}

std::vector<pid_t> node::workers() const { return descendants_of(process_->pid()); }

cluster::cluster() : discovery_port_(free_udp_port()) {
  write_file(keyring(), new_keyring_line());
  for (const auto& folder : {private_ / "config", private_ / "cache", directory_ / "tmp"})
    std::filesystem::create_directory(folder);
  environment_ = {{"PP_INTERFACES", "lo"},
                  {"PP_DISCOVERY_PORT", std::to_string(discovery_port_)},
                  {"PP_SECRET_FILE", keyring().string()},
                  {"XDG_CONFIG_HOME", (private_ / "config").string()},
                  {"XDG_CACHE_HOME", (private_ / "cache").string()},
                  {"TMPDIR", (directory_ / "tmp").string()}};
}

std::unique_ptr<node> cluster::start_node(const node::parameters& p) const {
  return std::make_unique<node>(directory(), private_.path(), environment_, p);
}

std::unique_ptr<node> cluster::start_node(const std::string& name, unsigned workers) const {
  node::parameters p;
  p.name = name;
  p.workers = workers;
  return start_node(p);
}

pp::options cluster::client_options() const {
  pp::options o;
  o.local = 0;
  o.interfaces = "lo";
  o.discovery_port = discovery_port_;
  o.secret_file = keyring().string();
  o.heartbeat = std::chrono::milliseconds(500);
  o.suspect_after = generous;
  o.dead_after = 2 * generous;
  o.no_nodes_timeout = generous;
  o.echo_output = false;
  return o;
}

pp::options cluster::impatient_options() const {
  auto o = client_options();
  o.suspect_after = std::chrono::milliseconds(1500);
  o.dead_after = std::chrono::milliseconds(2500);
  return o;
}

child_process::parameters cluster::command(std::vector<std::string> arguments) const {
  child_process::parameters p;
  p.arguments = std::move(arguments);
  p.environment = environment_;
  p.directory = directory();
  p.label = std::filesystem::path(p.arguments.at(0)).filename().string();
  return p;
}

child_process::parameters cluster::program(const std::string& name) const {
  auto p = start_of(name);
  p.directory = directory();
  p.environment.insert(environment_.begin(), environment_.end());
  return p;
}

bool has_nodes(pp::client& client, std::size_t count) {
  if (client.wait_for_nodes(count, generous)) return true;
  ADD_FAILURE() << "fewer than " << count << " nodes:\n" << client.discovery().text();
  for (const auto& n : client.nodes()) ADD_FAILURE() << n.name << " " << n.address << " " << n.state << " " << n.reason;
  return false;
}

pp::node_info find_node(const pp::client& client, const std::string& name) {
  // A node that was started again has a new id, and its predecessor stays in the list for a while.
  pp::node_info found;
  for (const auto& n : client.nodes()) {
    if (n.name == name && found.state != "ready") found = n;
  }
  return found;
}

}  // namespace pp::test
