// Programs that travel, built in every way: each runs against a node of its own twice, and sends no code the second
// time.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.hpp"

namespace pp::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct variant {
  std::string name, path;
};
std::ostream& operator<<(std::ostream& out, const variant& v) { return out << v.name; }

std::vector<variant> variants() {
  std::vector<variant> out;
  std::istringstream list(PP_VARIANTS);
  for (std::string entry; std::getline(list, entry, '|');) {
    const auto equals = entry.find('=');
    out.push_back({entry.substr(0, equals), entry.substr(equals + 1)});
  }
  return out;
}

/// A cluster with one node, and programs that know it.
class one_node {
 public:
  one_node() : node_(cluster_.start_node("node", 1)) { cluster_.set("PP_NODES", node_->address()); }

  child_process::parameters command(std::vector<std::string> arguments) const {
    return cluster_.command(std::move(arguments));
  }
  finished_process run(std::vector<std::string> arguments) const { return run_program(command(std::move(arguments))); }
  cluster& in() { return cluster_; }
  pp::test::node& node() { return *node_; }

 private:
  cluster cluster_;
  std::unique_ptr<pp::test::node> node_;
};

/// From "OK code_bytes_sent=N jobs=M"; -1 if there is no such line.
long code_bytes_sent(const finished_process& p) {
  const std::string key = "OK code_bytes_sent=";
  const auto at = p.out.find(key);
  return at == p.out.npos ? -1 : std::stol(p.out.substr(at + key.size()));
}

void expect_success(const finished_process& p, const pp::test::node& on) {
  EXPECT_EQ(p.end.status, 0) << p.out << p.err << on.log();
  EXPECT_THAT(p.out, HasSubstr("OK "));
  EXPECT_THAT(p.out, testing::Not(HasSubstr("wrong")));
}

class ShippingVariant : public testing::TestWithParam<variant> {};

TEST_P(ShippingVariant, RunsEveryKindOfFunctionAndSendsItsCodeOnce) {
  one_node n;
  const auto first = n.run({GetParam().path});
  expect_success(first, n.node());
  EXPECT_GT(code_bytes_sent(first), 1000);
  const auto second = n.run({GetParam().path});
  expect_success(second, n.node());
  EXPECT_EQ(code_bytes_sent(second), 0);
}

INSTANTIATE_TEST_SUITE_P(Built, ShippingVariant, testing::ValuesIn(variants()),
                         [](const auto& each) { return each.param.name; });

const variant& variant_named(const std::string& name) {
  static const auto all = variants();
  return *std::find_if(all.begin(), all.end(), [&](const auto& v) { return v.name == name; });
}

TEST(Shipping, DebugSectionsAreNotSent) {
  one_node n;
  const auto path = variant_named("o0").path;
  const auto run = n.run({path});
  expect_success(run, n.node());
  EXPECT_LT(static_cast<std::uintmax_t>(code_bytes_sent(run)), fs::file_size(path) / 2);
}

/// Ends the node and starts another with the same store.
std::unique_ptr<test::node> started_again(one_node& n) {
  n.node().terminate();
  EXPECT_TRUE(n.node().process().wait().has_value());
  test::node::parameters p;
  p.name = "again";
  p.environment["XDG_CACHE_HOME"] = n.node().cache_directory().string();
  auto again = n.in().start_node(p);
  n.in().set("PP_NODES", again->address());
  return again;
}

TEST(Shipping, StartingTheNodeAgainKeepsTheCode) {
  one_node n;
  const auto path = variant_named("stripped").path;
  expect_success(n.run({path}), n.node());
  const auto again = started_again(n);
  const auto run = n.run({path});
  expect_success(run, *again);
  EXPECT_EQ(code_bytes_sent(run), 0);
}

/// Changes two bytes in every larger file of a node's store; how many files that were.
int damage_store_of(const test::node& of) {
  int damaged = 0;
  for (const auto& name : files_below(of.cache_directory())) {
    const auto file = of.cache_directory() / name;
    if (!fs::is_regular_file(file) || fs::file_size(file) < 100000) continue;
    fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(50000).put('X').put('Y');
    ++damaged;
  }
  return damaged;
}

TEST(Shipping, ADamagedFileOfTheStoreIsFetchedAgain) {
  one_node n;
  const auto path = variant_named("stripped").path;
  expect_success(n.run({path}), n.node());
  EXPECT_EQ(damage_store_of(n.node()), 1);
  const auto again = started_again(n);
  const auto run = n.run({path});
  expect_success(run, *again);
  EXPECT_GT(code_bytes_sent(run), 1000);
}

TEST(Shipping, ReplacingTheProgramsFileWhileItRunsChangesNothing) {
  one_node n;
  const auto copy = n.in().directory() / "program";
  const auto fifo = n.in().directory() / "fifo";
  fs::copy_file(variant_named("o0").path, copy);
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  child_process running(n.command({copy.string(), "--fifo", fifo.string()}));
  std::ofstream go(fifo);  // opens when the program has called pp::init and reads
  fs::remove(copy);
  write_file(copy, "#!/bin/sh\nexit 9\n", 0700);
  go << "go\n" << std::flush;
  go.close();
  const auto end = running.wait();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->status, 0) << running.out() << running.err() << n.node().log();
  EXPECT_THAT(running.out(), HasSubstr("OK "));
}

TEST(Shipping, PluginsOpenedBeforeSubmitTravelWhateverTheirOrder) {
  one_node n;
  const auto first = n.run({PP_PLUGIN_HOST, "--plugin", PP_PLUGIN_1, "--plugin", PP_PLUGIN_2});
  expect_success(first, n.node());
  EXPECT_GT(code_bytes_sent(first), 1000);
  const auto second = n.run({PP_PLUGIN_HOST, "--plugin", PP_PLUGIN_2, "--plugin", PP_PLUGIN_1});
  expect_success(second, n.node());
  EXPECT_EQ(code_bytes_sent(second), 0);
}

TEST(Shipping, APreloadedObjectChangesTheOrderOfModulesAndNothingElse) {
  one_node n;
  for (const char* preloaded : {"libm.so.6", PP_PLUGIN_1}) {
    auto command = n.command({PP_PLUGIN_HOST, "--plugin", PP_PLUGIN_2});
    command.environment["LD_PRELOAD"] = preloaded;
    command.environment["ASAN_OPTIONS"] = "verify_asan_link_order=0";  // in a sanitizer build
    expect_success(run_program(command), n.node());
    expect_success(n.run({PP_PLUGIN_HOST, "--plugin", PP_PLUGIN_2}), n.node());
  }
}

TEST(Shipping, ASharedObjectNamedByItsPathIsRefusedInWords) {
  one_node n;
  const auto run = n.run({PP_BY_PATH});
  EXPECT_EQ(run.end.status, 2);
  EXPECT_THAT(run.out, HasSubstr("by its path, so no other machine can load it: link that one with -Wl,-soname"));
}

TEST(Shipping, AnIllegalInstructionInTheFirstJobMakesTheNodeUnfitAndSaysSo) {
  one_node n;
  const auto run = n.run({variant_named("o0").path, "--illegal"});
  EXPECT_EQ(run.end.status, 2) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("illegal instruction"));
}

TEST(Shipping, TwoProgramsUseOneNodeAtOnce) {
  one_node n;
  child_process one(n.command({variant_named("o0").path}));
  const auto two = n.run({variant_named("stripped").path});
  expect_success(two, n.node());
  const auto end = one.wait();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->status, 0) << one.out() << one.err();
}

}  // namespace
}  // namespace pp::test
