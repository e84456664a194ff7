// A client of one node, or of local workers alone: for what must be the same in both places.
#pragma once

#include <memory>
#include <optional>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {

/// The parameter: on a node (true), or on workers of this process's own machine.
class on_node_or_local : public ::testing::TestWithParam<bool> {
 protected:
  void start(unsigned workers) {
    auto o = c.client_options();
    if (is_on_node()) {
      n = c.start_node("node-a", workers);
    } else {
      o.discovery = false;
      o.local = static_cast<int>(workers);
    }
    client.emplace(o);
    ASSERT_TRUE(has_nodes(*client, 1));
  }
  static bool is_on_node() { return GetParam(); }

  cluster c;
  std::unique_ptr<node> n;
  std::optional<pp::client> client;
};

inline std::string name_of_place(const ::testing::TestParamInfo<bool>& place) { return place.param ? "Node" : "Local"; }

}  // namespace pp::test
