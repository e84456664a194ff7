// Where a job may run: a named node, patterns of names and addresses, how well a node keeps jobs apart.
//
// Promises: admits() is the only place that decides whether a node is right for a job. Pure.
// Must not know: which nodes there are, what a job does.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "pp/options.hpp"

namespace pp::ppclient {

/// What a job asks of a node; all empty = nothing.
struct placement {
  std::string node;      ///< job_options::node
  std::string patterns;  ///< job_options::nodes
  pp::isolation isolation = pp::isolation::none;

  bool is_anywhere() const { return node.empty() && patterns.empty() && isolation == pp::isolation::none; }
  auto operator<=>(const placement&) const = default;
  /// "job_options.node 'x'", for errors.
  std::string text() const;
};

/// What a node is known by.
struct node_identity {
  std::string name;
  std::string id;                      ///< 32 hexadecimal digits, empty for "local"
  std::vector<std::string> addresses;  ///< host:port, as reached and as given
  pp::isolation isolation = pp::isolation::none;
};

bool admits(const placement& asked, const node_identity& node);

/// Empty if every pattern of the list can be used; else the wrong one.
std::string wrong_pattern(const std::string& patterns);

const char* text_of(isolation level);

}  // namespace pp::ppclient
