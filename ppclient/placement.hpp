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
#include "wire/terms.hpp"

namespace pp::ppclient {

/// What a job asks of a node; all empty = nothing.
struct placement {
  std::string node;      ///< job_options::node
  std::string patterns;  ///< job_options::nodes
  pp::isolation isolation = pp::isolation::none;

  std::vector<wire::resource> resources = {};  ///< job_options::resources, names ascending

  bool is_anywhere() const {
    return node.empty() && patterns.empty() && isolation == pp::isolation::none && resources.empty();
  }
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
  std::vector<wire::resource> resources = {};  ///< what it declares
};

bool admits(const placement& asked, const node_identity& node);

/// One pattern (* ? [] as in a shell) against name, address, and host of an address.
bool matches(const std::string& pattern, const node_identity& node);

/// Empty if every pattern of the list can be used; else the wrong one.
std::string wrong_pattern(const std::string& patterns);

const char* text_of(isolation level);

}  // namespace pp::ppclient
