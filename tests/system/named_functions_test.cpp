// Functions called by name: through the example that offers some, by clients that do not have its program.
#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"
#include "tests/support/wait.hpp"

namespace pp::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class NamedFunctions : public ::testing::Test {
 protected:
  NamedFunctions() { c.set("PP_LOCAL_WORKERS", "0"); }

  std::unique_ptr<child_process> offer() {
    auto server =
        std::make_unique<child_process>(c.command({std::string(PP_EXAMPLES) + "/named_functions/named_functions"}));
    EXPECT_TRUE(wait_until([&] { return server->out().find("can be called") != std::string::npos; })) << server->err();
    return server;
  }
  finished_process ppclient(std::vector<std::string> words) {
    words.insert(words.begin(), PP_CLIENT_PROGRAM);
    return run_program(c.command(std::move(words)));
  }
  /// Those that `seen_by` sees, when they are so many on so many nodes each.
  static std::vector<named_function> wait_for_functions(const client& seen_by, std::size_t count, std::size_t nodes) {
    std::vector<named_function> all;
    EXPECT_TRUE(wait_until([&] {
      all = seen_by.functions();
      return all.size() == count &&
             std::all_of(all.begin(), all.end(), [&](const auto& f) { return f.nodes.size() == nodes; });
    })) << all.size();
    return all;
  }
  /// A shell's words, with $P as ppclient.
  finished_process shell(const std::string& script) {
    return run_program(c.command({"/bin/sh", "-c", "P=" + std::string(PP_CLIENT_PROGRAM) + "; " + script}));
  }

  cluster c;
};

// The scenario of XML-RPC.
TEST_F(NamedFunctions, AreListedAndCalledByAClientThatKnowsNothing) {
  const auto n = c.start_node("node-a");
  const auto server = offer();
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 1));
  wait_for_functions(other, 3, 1);

  const auto listed = ppclient({"functions"});
  EXPECT_EQ(
      listed.out,
      "double calculator.multiply(double, double)\n    the product of two numbers\n    on node-a\n"
      "int count_elements(std::string)\n    elements of the XML file at this path on the node; -1 if there is none\n"
      "    on node-a\n"
      "bool is_even(int)\n    whether a number is even\n    on node-a\n");
  const auto called = shell("for n in 0 1 2 3 4 5 6 7 8 9; do echo [$n]; done | $P call --lines is_even");
  std::string expected;
  for (int i = 0; i < 10; ++i) expected += std::string("{\"value\":") + (i % 2 == 0 ? "true" : "false") + "}\n";
  EXPECT_EQ(called.out, expected) << called.err;
  EXPECT_EQ(ppclient({"call", "calculator.multiply", "2.5", "4"}).out, "10.0\n");
}

// The scenario of the ZeroMQ broker.
TEST_F(NamedFunctions, ServeSeveralClientsOfWhichSomeAreShells) {
  const auto a = c.start_node("node-a"), b = c.start_node("node-b");
  const auto server = offer();
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 2));
  const auto all = wait_for_functions(other, 3, 2);
  std::string paths;
  for (int i = 1; i <= 8; ++i) {
    const auto path = c.directory() / (std::to_string(i) + ".xml");
    std::ofstream file(path);
    file << "<?xml version='1.0'?><a><!-- <no/> -->";
    for (int k = 1; k < i; ++k) file << "<b/>";
    file << "</a>\n";
    paths += " " + path.string();
  }
  const std::string count =
      "for f in " + paths + " /not/there; do echo \"[\\\"$f\\\"]\"; done | $P call --lines count_elements";
  const auto both = shell("(" + count + ") > " + (c.directory() / "1").string() + " & " + count + "; wait");
  std::string expected;
  for (int i = 1; i <= 8; ++i) expected += "{\"value\":" + std::to_string(i) + "}\n";
  expected += "{\"value\":-1}\n";
  EXPECT_EQ(both.out, expected) << both.err;
  EXPECT_EQ(read_file(c.directory() / "1"), expected);
  auto here = other.call("count_elements", "[\"/not/there\"]");
  EXPECT_EQ(here.get(), "-1");
}

TEST_F(NamedFunctions, AnswerEachLineBeforeTheNextIsWritten) {
  const auto n = c.start_node("node-a");
  const auto server = offer();
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 1));
  wait_for_functions(other, 3, 1);
  const auto pipe = (c.directory() / "pipe").string();
  const auto talked = shell("mkfifo " + pipe + "; exec 3<> " + pipe + "; $P call --lines is_even < " + pipe + " > " +
                            pipe + ".out 3>&- & echo '[7]' >&3; until grep -q false " + pipe +
                            ".out 2>/dev/null; do :; done; echo '[8]' >&3; until grep -q true " + pipe +
                            ".out; do :; done; kill $!; echo both");
  EXPECT_EQ(talked.out, "both\n") << talked.err;
}

TEST_F(NamedFunctions, SayWhatIsWrongWithACall) {
  const auto n = c.start_node("node-a");
  const auto server = offer();
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 1));
  wait_for_functions(other, 3, 1);
  const auto unknown = ppclient({"call", "is_odd", "1"});
  EXPECT_EQ(unknown.end, (exit_state{64, 0}));
  EXPECT_THAT(unknown.err, HasSubstr("no node offers a function called is_odd: offered are calculator.multiply, "));
  const auto wrong = ppclient({"call", "is_even", "one"});
  EXPECT_EQ(wrong.end, (exit_state{70, 0}));
  EXPECT_THAT(wrong.err, HasSubstr("bool is_even(int): argument 1 is no int"));
  EXPECT_THAT(ppclient({"call", "is_even"}).err, HasSubstr("it takes 1 argument, not 0"));
  try {
    other.call("is_odd", "[]").get();
    FAIL() << "nothing was thrown";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
  }
  EXPECT_THROW(other.call(named_function{}, "[]").get(), error);
  EXPECT_THROW(other.call("is_even", "[\"one\"]").get(), job_error);
}

TEST_F(NamedFunctions, AreGoneWithTheProgramThatOffersThem) {
  const auto n = c.start_node("node-a");
  auto server = offer();
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 1));
  const auto all = wait_for_functions(other, 3, 1);
  server->signal(SIGKILL);
  server->wait();
  wait_for_functions(other, 0, 0);
  EXPECT_EQ(ppclient({"functions"}).out, "nothing: a program offers functions with pp::publish and client.offer()\n");
  // Who has found one before may go on: the node still has the program.
  EXPECT_EQ(other.call(all.back(), "[4]").get(), "true");
}

TEST_F(NamedFunctions, ComeToNodesThatComeLater) {
  const auto a = c.start_node("node-a");
  const auto server = offer();
  const auto b = c.start_node("node-b");
  client other(c.client_options());
  ASSERT_TRUE(has_nodes(other, 2));
  const auto all = wait_for_functions(other, 3, 2);
  a->kill();
  EXPECT_EQ(other.call(all.back(), "[4]").get(), "true") << "by the node that is left";
}

TEST_F(NamedFunctions, AreNotShownToAnotherKey) {
  const auto my_line = new_keyring_line("mine"), other_line = new_keyring_line("other");
  write_file(c.directory() / "mine", my_line);
  write_file(c.directory() / "other", other_line);
  write_file(c.directory() / "both", my_line + other_line);
  node::parameters p;
  p.extra = {"--secret-file", (c.directory() / "both").string()};
  const auto n = c.start_node(p);
  c.set("PP_SECRET_FILE", (c.directory() / "mine").string());
  c.set("PP_NODES", n->address());
  const auto server = offer();
  const auto with_key = [&](const char* name) {
    auto o = c.client_options();
    o.secret_file = (c.directory() / name).string();
    o.nodes = {n->address()};
    return o;
  };
  client mine(with_key("mine")), other(with_key("other"));
  ASSERT_TRUE(has_nodes(mine, 1) && has_nodes(other, 1));
  wait_for_functions(mine, 3, 1);
  EXPECT_TRUE(other.functions().empty());
}

// A node with the same id and address, whose cache is gone.
TEST_F(NamedFunctions, ANodeThatLostTheProgramSaysSo) {
  node::parameters p;
  p.name = "node-a";
  p.extra = {"--node-id-file", (c.directory() / "id").string()};
  auto n = c.start_node(p);
  auto server = offer();
  auto o = c.client_options();
  o.no_nodes_timeout = 1s;
  client other(o);
  ASSERT_TRUE(has_nodes(other, 1));
  const auto all = wait_for_functions(other, 3, 1);
  server->signal(SIGKILL);
  server->wait();
  p.port = n->port();
  n->terminate();
  n->process().wait();
  std::filesystem::remove_all(n->cache_directory());
  n = c.start_node(p);
  ASSERT_TRUE(has_nodes(other, 1));
  auto call = other.call(all.back(), "[4]");
  try {
    call.get();
    FAIL() << "nothing was thrown";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::unfit_node);
    EXPECT_THAT(e.what(), HasSubstr("no node has the program of this function any more"));
  }
}

}  // namespace
}  // namespace pp::test
