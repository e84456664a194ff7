// Which of the nodes that are there a client uses: patterns in options::nodes, options::exclude, options::weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

int twice(int n) { return 2 * n; }

std::vector<std::string> ready_names(pp::client& client) {
  std::vector<std::string> out;
  for (const auto& n : client.nodes()) {
    if (n.state == "ready") out.push_back(n.name);
  }
  return out;
}

class NodeChoices : public ::testing::Test {
 protected:
  cluster here_;
  std::unique_ptr<node> a_ = here_.start_node("lab-a", 1), b_ = here_.start_node("lab-b", 1),
                        c_ = here_.start_node("big", 1);
};

TEST_F(NodeChoices, OfTheNodesFoundOnlyThoseThatMatchAreUsed) {
  auto o = here_.client_options();
  o.nodes = {"lab-*"};
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 2));
  for (auto& [name, job] : client.broadcast(twice, 4)) EXPECT_EQ(job.get(), 8) << name;
  EXPECT_THAT(ready_names(client), UnorderedElementsAre("lab-a", "lab-b"));
}

TEST_F(NodeChoices, ANamedNodeIsUsedBesideThoseThatMatch) {
  auto o = here_.client_options();
  o.nodes = {c_->address(), b_->id().substr(0, 12) + "*"};
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 2));
  EXPECT_THAT(ready_names(client), UnorderedElementsAre("lab-b", "big"));
}

TEST_F(NodeChoices, AnExcludedNodeIsNeverUsedFoundOrNamed) {
  auto o = here_.client_options();
  o.exclude = {"lab-*"};
  o.nodes = {a_->address()};
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 1));
  // Of one that was named only its WELCOME tells the name.
  EXPECT_TRUE(wait_until([&] {
    const auto all = client.nodes();
    return std::any_of(all.begin(), all.end(), [](const auto& n) { return n.state == "refused"; });
  }));
  EXPECT_THAT(ready_names(client), ElementsAre("big"));
  for (int i = 0; i < 20; ++i) {
    auto job = client.submit(twice, i);
    EXPECT_EQ(job.node(), "big");
    job.get();
  }
}

TEST_F(NodeChoices, ThatLeaveNothingAreToldWhenNothingRuns) {
  auto o = here_.client_options();
  o.exclude = {"127.*"};
  o.nodes = {a_->address()};
  o.no_nodes_timeout = 1500ms;
  pp::client client(o);
  try {
    client.submit(twice, 1).get();
    FAIL();
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), errc::no_nodes);
    EXPECT_THAT(e.what(), HasSubstr("not used, as options::nodes or options::exclude say: big, lab-a, lab-b"));
  }
}

TEST_F(NodeChoices, TheHeavierNodeComesFirst) {
  auto o = here_.client_options();
  o.weights = {{"lab-b", 2.0}};
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 3));
  for (int i = 0; i < 20; ++i) {
    auto job = client.submit(twice, i);
    EXPECT_EQ(job.node(), "lab-b");
    job.get();
  }
}

}  // namespace
}  // namespace pp::test
