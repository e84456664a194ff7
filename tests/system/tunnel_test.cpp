// A node that nobody can find: it neither announces itself nor listens beyond its own machine, and is reached through one
// forwarded TCP port, with nothing but the key file copied. A relay stands in for `ssh -L` (docs/operations.md).
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/relay.hpp"

namespace pp::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }

/// The far machine: `c` is its world, of which only the relay's port leads out.
class Tunnel : public ::testing::Test {
 protected:
  static node::parameters unseen() {
    node::parameters p;
    p.name = "far";
    p.workers = 4;
    p.extra = {"--no-discovery", "-i", "lo"};
    return p;
  }
  pp::options here() const {
    auto o = c.client_options();
    o.discovery = false;
    o.nodes = {tunnel.address()};
    return o;
  }

  cluster c;
  std::unique_ptr<node> far = c.start_node(unseen());
  relay tunnel{far->port()};
};

// The scenario of the survey: four calls at once on four workers, on a machine of which this user has the key file.
TEST_F(Tunnel, NeedsNothingButTheKeyFileAndThePort) {
  const temporary_directory home;
  std::filesystem::create_directory(home / "pp");
  std::filesystem::copy_file(c.keyring(), home / "pp/keyring");
  auto program = c.command({std::string(PP_EXAMPLES) + "/four_calls/four_calls", "0.2"});
  program.environment = {{"XDG_CONFIG_HOME", home.path().string()},
                         {"XDG_CACHE_HOME", (home / "cache").string()},
                         {"PP_INTERFACES", "lo"},
                         {"PP_DISCOVERY_PORT", std::to_string(free_udp_port())},
                         {"PP_LOCAL_WORKERS", "0"},
                         {"PP_NODES", tunnel.address()}};
  program.unset = {"PP_SECRET_FILE"};
  const auto ran = run_program(program);
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, ContainsRegex("done in process [0-9]+ on far"));
  EXPECT_THAT(ran.out, HasSubstr("4 calls of 0.2 s took"));
  EXPECT_EQ(tunnel.connections(), 1U) << "one forwarded port carries everything";
}

TEST_F(Tunnel, IsTheOnlyWayToThatNode) {
  EXPECT_THAT(far->address(), HasSubstr("127.0.0.1:"));
  const auto near = c.start_node("near");
  auto o = here();
  o.discovery = true;
  pp::client client(o);
  ASSERT_TRUE(has_nodes(client, 2));
  EXPECT_EQ(client.nodes().size(), 2U) << "the one that was found, and the one that was named";
  EXPECT_EQ(find_node(client, "near").address, near->address());
  EXPECT_EQ(find_node(client, "far").address, tunnel.address());
}

TEST_F(Tunnel, ThatBreaksIsUsedAgainAndLosesNothing) {
  pp::client client(here());
  ASSERT_TRUE(has_nodes(client, 1));
  std::vector<pp::future<int>> jobs;
  for (int i = 0; i < 50; ++i) jobs.push_back(client.submit(twice, i));
  tunnel.cut_now();
  for (int i = 50; i < 100; ++i) jobs.push_back(client.submit(twice, i));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), 2 * i);
  EXPECT_TRUE(wait_until([&] { return tunnel.connections() >= 2; }));
}

TEST_F(Tunnel, IsOfNoUseWithoutTheKey) {
  const cluster stranger;
  auto o = here();
  o.secret_file = stranger.keyring().string();
  pp::client client(o);
  const auto refused = [&] {
    const auto nodes = client.nodes();
    return !nodes.empty() && nodes.front().state == "refused";
  };
  EXPECT_TRUE(wait_until(refused));
  EXPECT_FALSE(client.wait_for_nodes(1, 0ms));
}

}  // namespace
}  // namespace pp::test
