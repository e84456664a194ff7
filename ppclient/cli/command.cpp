#include "command.hpp"

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace ppclient {
namespace {

using namespace std::chrono_literals;

std::chrono::milliseconds wait_of(const common_options& o) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(o.wait_seconds * 1000));
}

// It answered and holds the key; whether it can run anything is another question.
bool is_there(const pp::node_info& node) {
  return node.state == "ready" || node.state == "suspect" || node.state == "draining" || node.state == "unfit" ||
         node.state == "quarantined";
}

}  // namespace

pp::options to_client_options(const common_options& o) {
  pp::options options;
  options.local = 0;
  options.nodes = o.nodes;
  options.interfaces = o.interfaces;
  options.secret_file = o.secret_file;
  if (o.discovery_port != 0) options.discovery_port = static_cast<std::uint16_t>(o.discovery_port);
  return options;
}

// The first node is waited for as long as was asked; its neighbours answer the same query, so they get half a second more.
bool look_for_nodes(pp::client& client, const common_options& o) {
  const auto limit = std::chrono::steady_clock::now() + wait_of(o);
  const bool any = client.wait_for_nodes(1, wait_of(o));
  const auto neighbours = std::min(limit, std::chrono::steady_clock::now() + 500ms);
  std::size_t seen = 1;
  while (any && std::chrono::steady_clock::now() < neighbours) {
    const auto rest =
        std::chrono::duration_cast<std::chrono::milliseconds>(neighbours - std::chrono::steady_clock::now());
    if (!client.wait_for_nodes(seen + 1, rest)) break;
    ++seen;
  }
  const auto nodes = client.nodes();
  return any || std::any_of(nodes.begin(), nodes.end(), is_there);
}

int tell_nothing_found(const pp::client& client) {
  for (const auto& node : client.nodes()) {
    std::cerr << "ppclient: " << printable(node.name) << " at " << node.address << " is " << node.state
              << (node.reason.empty() ? "" : ": ") << printable(node.reason) << '\n';
  }
  std::cerr << "ppclient: no node was found\n" << client.discovery().text() << '\n';
  return unavailable;
}

std::string printable(const std::string& text) {
  std::string out;
  for (const unsigned char c : text) {
    char escaped[8];
    if (c < ' ' || c >= 0x7f) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", c);
      out += escaped;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

}  // namespace ppclient
