// Keys that change while a node serves.
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/program.hpp"

namespace pp::test {
namespace {

/// Says that it has begun by making this file, and stays for a minute.
void stay(const std::string& begun) {
  write_file(begun, "");
  spend(std::chrono::minutes(1));
}
int twice(int n) { return 2 * n; }

TEST(KeyTakenAway, SendsItsClientsAwayAndKillsTheirJobs) {
  const cluster c;
  const auto mine = read_file(c.keyring()), other = new_keyring_line("other");
  const auto of_node = c.keyring().parent_path() / "node-keyring";
  write_file(of_node, mine + "\n" + other + "\n");
  node::parameters p;
  p.environment = {{"PP_SECRET_FILE", of_node.string()}};
  const auto n = c.start_node(p);
  pp::client client(c.client_options());
  ASSERT_TRUE(has_nodes(client, 1));
  const auto begun = c.directory() / "begun";
  auto future = client.submit(stay, begun.string());
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(begun); })) << n->log();
  const auto workers = n->workers();
  write_file(of_node, other + "\n");
  n->process().signal(SIGHUP);
  EXPECT_TRUE(n->process().wait_for_err("key was taken away", std::chrono::seconds(10))) << n->log();
  EXPECT_TRUE(wait_until_gone(workers, std::chrono::seconds(10)));
  EXPECT_TRUE(n->process().is_running());
  EXPECT_FALSE(future.ready()) << "it waits for a node that will have it";
}

TEST(KeyTakenAway, LeavesClientsWithOtherKeysAlone) {
  const cluster c;
  const auto mine = read_file(c.keyring()), other = new_keyring_line("other");
  const auto of_node = c.keyring().parent_path() / "node-keyring";
  write_file(of_node, mine + "\n" + other + "\n");
  node::parameters p;
  p.environment = {{"PP_SECRET_FILE", of_node.string()}};
  const auto n = c.start_node(p);
  pp::client client(c.client_options());
  EXPECT_EQ(client.submit(twice, 4).get(), 8);
  write_file(of_node, mine + "\n");
  n->process().signal(SIGHUP);
  ASSERT_TRUE(n->process().wait_for_err("keys_loaded")) << n->log();
  EXPECT_EQ(client.submit(twice, 5).get(), 10);
  EXPECT_EQ(n->log().find("client_out"), std::string::npos);
}

}  // namespace
}  // namespace pp::test
