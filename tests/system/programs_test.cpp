// The programs a user has: ppclient, and the examples, several of them at once on the same nodes.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

int twice(int n) { return 2 * n; }

/// Words that are easy to count: file i holds "alpha" i + 1 times and "Beta" once.
void write_texts(const std::filesystem::path& directory, int files) {
  std::filesystem::create_directories(directory / "below");
  for (int i = 0; i < files; ++i) {
    std::ofstream file(directory / (i % 2 == 0 ? "" : "below") / ("text-" + std::to_string(i)));
    for (int k = 0; k <= i; ++k) file << "alpha, ";
    file << "Beta-42\n";
  }
}

TEST(Programs, TwoDifferentOnesUseTheSameNodesAtOnce) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "0");
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  child_process hello(c.command({PP_HELLO_PROGRAM, "200"}));
  pp::client client(c.client_options());
  std::vector<pp::future<int>> futures;
  for (int i = 0; i < 2000; ++i) futures.push_back(client.submit(twice, i));
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), 2 * i);
  EXPECT_EQ(hello.wait(), (exit_state{0, 0})) << hello.err();
  EXPECT_THAT(hello.out(), HasSubstr("Hello, job 1, from process"));
  EXPECT_THAT(hello.out(), HasSubstr("Hello, job 200, from process"));
}

TEST(Programs, SumPrimesGivesTheSumsOfTheOriginal) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "2");
  c.set("PP_DISCOVERY", "off");
  const auto ran = run_program(c.command({PP_SUM_PRIMES_PROGRAM, "100000", "100100"}));
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Sum of primes below 100000 is 454396537"));
  EXPECT_THAT(ran.out, HasSubstr("Sum of primes below 100100 is 454996777"));
  EXPECT_THAT(ran.out, HasSubstr("node local: 2 jobs"));
}

TEST(Programs, WordCountCountsOnNodesWhatItCountsAlone) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "0");
  write_texts(c.directory() / "texts", 20);
  const auto n = c.start_node("node-a");
  const auto ran =
      run_program(c.command({PP_WORD_COUNT_PROGRAM, "--check", "--top", "1", (c.directory() / "texts").string()}));
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("         210  alpha\n"));
  EXPECT_THAT(ran.out, Not(HasSubstr("beta")));
  EXPECT_THAT(ran.out, HasSubstr("files: 20 (0 could not be read)"));
  EXPECT_THAT(ran.out, HasSubstr("words: 230, different: 2"));
  EXPECT_THAT(ran.out, HasSubstr("jobs on node-a: 1\n"));
  EXPECT_THAT(ran.out, HasSubstr("jobs rescheduled: 0"));
  EXPECT_THAT(ran.out, HasSubstr("identical to the serial run: yes"));
  EXPECT_THAT(ran.err, HasSubstr("100 %"));
}

TEST(Programs, WordCountCutsLargeFilesBetweenWords) {
  cluster c;
  c.set("PP_LOCAL_WORKERS", "2");
  c.set("PP_DISCOVERY", "off");
  std::filesystem::create_directory(c.directory() / "large");
  std::ofstream file(c.directory() / "large" / "text");
  for (int i = 0; i < 300'000; ++i) file << "word ";
  file.close();
  const auto ran = run_program(c.command({PP_WORD_COUNT_PROGRAM, "--check", (c.directory() / "large").string()}));
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("      300000  word\n"));
  EXPECT_THAT(ran.out, HasSubstr("jobs: 6 "));
}

TEST(Programs, WordCountExplainsWrongUsage) {
  const cluster c;
  for (const auto& wrong :
       std::vector<std::vector<std::string>>{{"--nonsense"}, {"--top", "x"}, {"--top"}, {"/nonexistent"}}) {
    auto arguments = wrong;
    arguments.insert(arguments.begin(), PP_WORD_COUNT_PROGRAM);
    const auto ran = run_program(c.command(arguments));
    EXPECT_EQ(ran.end, (exit_state{64, 0})) << wrong[0];
    EXPECT_THAT(ran.err, HasSubstr("word_count: ")) << wrong[0];
  }
}

// --- ppclient --------------------------------------------------------------------------------------------------------

class Ppclient : public ::testing::Test {
 protected:
  finished_process run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), PP_CLIENT_PROGRAM);
    return run_program(c_.command(arguments));
  }
  cluster c_;
};

TEST_F(Ppclient, NodesListsWhoIsThere) {
  const auto a = c_.start_node("node-a", 3), b = c_.start_node("node-b", 1);
  const auto ran = run({"nodes", "--wait", "30"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("node-a"));
  EXPECT_THAT(ran.out, HasSubstr(a->address()));
  EXPECT_THAT(ran.out, HasSubstr("node-b"));
}

TEST_F(Ppclient, NodesAsJsonHasTheDocumentedMembers) {
  const auto a = c_.start_node("node-a", 3);
  const auto ran = run({"nodes", "--json", "--wait", "30"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  const auto list = nlohmann::json::parse(ran.out);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["name"], "node-a");
  EXPECT_EQ(list[0]["node_id"], a->id());
  EXPECT_EQ(list[0]["address"], a->address());
  EXPECT_EQ(list[0]["slots"], 3);
  EXPECT_EQ(list[0]["free"], 3);
  EXPECT_FALSE(list[0]["version"].get<std::string>().empty());
  EXPECT_FALSE(list[0]["platform"].get<std::string>().empty());
}

TEST_F(Ppclient, NothingFoundSaysWhatWasAskedAndHeard) {
  const auto ran = run({"nodes", "--wait", "1"});
  EXPECT_EQ(ran.end, (exit_state{69, 0}));
  EXPECT_THAT(ran.err, HasSubstr("lo (127.255.255.255)"));
  EXPECT_THAT(ran.err, HasSubstr(std::to_string(c_.discovery_port())));
  EXPECT_THAT(ran.err, ContainsRegex("[0-9a-f]{16}"));
  const auto json = run({"nodes", "--json", "--wait", "1"});
  EXPECT_EQ(json.end, (exit_state{69, 0}));
  EXPECT_EQ(json.out, "[]\n");
}

TEST_F(Ppclient, NodesWithAnotherKeyAreCounted) {
  cluster other;
  other.set("PP_DISCOVERY_PORT", std::to_string(c_.discovery_port()));
  const auto n = other.start_node("stranger");
  const auto ran = run({"nodes", "--wait", "8"});
  EXPECT_EQ(ran.end, (exit_state{69, 0}));
  EXPECT_THAT(ran.err, HasSubstr("another key"));
}

TEST_F(Ppclient, PingMeasuresRoundTrips) {
  const auto a = c_.start_node("node-a");
  for (const auto& name : {a->name(), a->id(), a->address()}) {
    const auto ran = run({"ping", name, "-c", "3", "--wait", "30"});
    EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("answer 3 from " + name));
    EXPECT_THAT(ran.out, HasSubstr("3 trips: min "));
  }
  const auto unknown = run({"ping", "nobody", "--wait", "2"});
  EXPECT_EQ(unknown.end, (exit_state{69, 0}));
  EXPECT_THAT(unknown.err, HasSubstr("nobody"));
}

TEST_F(Ppclient, StatsTellsWhatANodeDid) {
  const auto a = c_.start_node("node-a");
  {
    pp::client client(c_.client_options());
    for (int i = 0; i < 7; ++i) EXPECT_EQ(client.submit(twice, i).get(), 2 * i);
  }
  const auto ran = run({"stats", "--json", "--wait", "30"});
  EXPECT_EQ(ran.end, (exit_state{0, 0})) << ran.err;
  const auto list = nlohmann::json::parse(ran.out);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_THAT(list.dump(), HasSubstr("node-a"));
  const auto table = run({"stats", "node-a", "--wait", "30"});
  EXPECT_EQ(table.end, (exit_state{0, 0})) << table.err;
  EXPECT_THAT(table.out, HasSubstr("node-a"));
}

TEST_F(Ppclient, MistakesHaveTheirExitStatusAndOneLine) {
  EXPECT_EQ(run({}).end, (exit_state{64, 0}));
  EXPECT_EQ(run({"dance"}).end, (exit_state{64, 0}));
  EXPECT_EQ(run({"ping"}).end, (exit_state{64, 0}));
  const auto keyring = run({"--secret-file", "/nonexistent/keyring", "nodes"});
  EXPECT_EQ(keyring.end, (exit_state{78, 0}));
  EXPECT_THAT(keyring.err, HasSubstr("/nonexistent/keyring"));
  const auto interface = run({"-i", "nothing7", "nodes"});
  EXPECT_EQ(interface.end, (exit_state{78, 0}));
  EXPECT_THAT(interface.err, HasSubstr("nothing7"));
}

TEST_F(Ppclient, HelpNamesTheExitStatusesAndVersionTheVersion) {
  const auto help = run({"--help"});
  EXPECT_EQ(help.end, (exit_state{0, 0}));
  for (const char* status : {"64", "69", "78"}) EXPECT_THAT(help.out, HasSubstr(status));
  EXPECT_THAT(run({"--version"}).out, HasSubstr("ppclient " PP_VERSION));
}

}  // namespace
}  // namespace pp::test
