#include "ppserver/config.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/cpus.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::ppserver {
namespace {

using outcome = std::variant<command_line, stop>;

outcome parse(std::vector<std::string> words) {
  words.insert(words.begin(), "ppserver");
  std::vector<const char*> argv;
  for (const auto& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data(), {});
}

command_line accepted(std::vector<std::string> words) {
  auto result = parse(std::move(words));
  if (const auto* end = std::get_if<stop>(&result)) {
    ADD_FAILURE() << end->text;
    return {};
  }
  return std::get<command_line>(result);
}

stop refused(std::vector<std::string> words) {
  auto result = parse(std::move(words));
  if (std::holds_alternative<command_line>(result)) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  return std::get<stop>(result);
}

/// The environment without what would change a default, and back again.
class Config : public testing::Test {
 protected:
  Config() {
    for (const char* name : {"PP_INTERFACES", "PP_DISCOVERY_PORT", "PP_LOG", "CACHE_DIRECTORY", "XDG_CACHE_HOME"}) {
      if (const char* value = std::getenv(name)) saved_.emplace_back(name, value);
      unsetenv(name);
    }
    setenv("HOME", "/home/someone", 1);
  }
  ~Config() override {
    for (const char* name : {"PP_INTERFACES", "PP_DISCOVERY_PORT", "PP_LOG", "CACHE_DIRECTORY", "XDG_CACHE_HOME"})
      unsetenv(name);
    for (const auto& [name, value] : saved_) setenv(name.c_str(), value.c_str(), 1);
  }

  std::filesystem::path write_config(std::string_view text) {
    const auto path = directory_ / "ppserver.toml";
    test::write_file(path, text);
    return path;
  }

  test::temporary_directory directory_;
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(Config, ResourcesAreNamesWithCounts) {
  const std::vector<wire::resource> expected = {{"fpga.a", 1}, {"gpu", 4}};
  EXPECT_EQ(accepted({"--resource", "gpu=2", "--resource=fpga.a=1", "--resource", "gpu=4"}).settings.resources,
            expected);
  const auto file = write_config("resource = [\"gpu=4\", \"fpga.a=1\"]\n");
  EXPECT_EQ(accepted({"-c", file.string()}).settings.resources, expected);
  for (const char* wrong : {"gpu", "GPU=1", "=1", "gpu=0", "gpu=65536", "gpu=two"})
    EXPECT_EQ(refused({"--resource", wrong}).status, exit_usage) << wrong;
}

TEST_F(Config, TakesALevelOfIsolationAndRefusesUnknownOnes) {
  EXPECT_EQ(accepted({}).settings.isolate, worker::isolation_level::basic);
  EXPECT_EQ(accepted({"--isolate", "none"}).settings.isolate, worker::isolation_level::none);
  EXPECT_EQ(accepted({"--isolate", "landlock"}).settings.isolate, worker::isolation_level::landlock);
  EXPECT_EQ(accepted({"--isolate", "sandbox"}).settings.isolate, worker::isolation_level::sandbox);
  const auto end = refused({"--isolate", "container"});
  EXPECT_EQ(end.status, exit_usage);
  EXPECT_NE(end.text.find("container not in {none,basic,landlock,sandbox}"), std::string::npos) << end.text;
  EXPECT_EQ(refused({"--nice", "-1"}).status, exit_usage);
}

TEST_F(Config, NeedsNoArgumentsAtAll) {
  const auto s = accepted({}).settings;
  EXPECT_EQ(s.port, 60000);
  EXPECT_EQ(s.discovery_port, 60000);
  EXPECT_TRUE(s.discovery);
  EXPECT_EQ(s.interfaces, "");
  EXPECT_EQ(s.workers, effective_cpus());
  EXPECT_EQ(s.recycle_after, 0U);
  EXPECT_EQ(s.cache_directory, "/home/someone/.cache/pp");
  EXPECT_EQ(s.cache_bytes, 2ULL << 30U);
  EXPECT_EQ(s.idle_timeout.count(), 0);
  EXPECT_EQ(s.drain_timeout.count(), 60);
  EXPECT_EQ(s.heartbeat.count(), 2000);
  EXPECT_EQ(s.dead_after.count(), 10000);
  EXPECT_EQ(s.log_level, log::level::info);
  EXPECT_FALSE(s.name.empty());
}

TEST_F(Config, KeepsEveryLetterOfParallelPython) {
  const auto line =
      accepted({"-d", "-f", "json", "-a", "-r",          "-n", "2",  "-i", "lo,eth0", "-b", "10.0.0.255", "-p",
                "0",  "-w", "3",    "-s", "some secret", "-t", "60", "-k", "3600",    "-P", "/run/pp.pid"});
  const auto& s = line.settings;
  EXPECT_EQ(s.log_level, log::level::debug);
  EXPECT_EQ(s.log_format, log::format::json);
  EXPECT_TRUE(s.discovery);
  EXPECT_EQ(s.recycle_after, 1U);
  EXPECT_EQ(s.interfaces, "lo,eth0");
  EXPECT_EQ(s.broadcasts, "10.0.0.255");
  EXPECT_EQ(s.port, 0);
  EXPECT_EQ(s.workers, 3U);
  EXPECT_EQ(s.inline_secret, "some secret");
  EXPECT_EQ(s.idle_timeout.count(), 60);
  EXPECT_EQ(s.pid_file, "/run/pp.pid");
  EXPECT_EQ(line.warnings.size(), 3U) << "-n, -k and -s";
}

TEST_F(Config, TakesAnOutputLimitFromFourKibibytesToAMebibyte) {
  EXPECT_EQ(accepted({}).settings.output_limit, 1ULL << 20U);
  EXPECT_EQ(accepted({"--output-limit", "4KiB"}).settings.output_limit, 4096U);
  EXPECT_EQ(accepted({"--output-limit", "1MiB"}).settings.output_limit, 1ULL << 20U);
  EXPECT_NE(refused({"--output-limit", "2MiB"}).text.find("at most 1MiB"), std::string::npos);
}

TEST_F(Config, ExplainsItselfAndItsExitStatuses) {
  const auto help = refused({"--help"});
  EXPECT_EQ(help.status, exit_done);
  for (const char* words :
       {"--port", "60000", "--drain-timeout", "64  usage", "69  cannot listen", "78  bad", "SIGHUP"}) {
    EXPECT_NE(help.text.find(words), std::string::npos) << words << " is missing in\n" << help.text;
  }
  EXPECT_EQ(refused({"--version"}).text, "ppserver " PP_VERSION);
}

TEST_F(Config, RefusesWhatMakesNoSenseWithOneLineAndTheUsageStatus) {
  const std::vector<std::vector<std::string>> wrong = {{"--nonsense"},
                                                       {"-p", "65536"},
                                                       {"-p", "-1"},
                                                       {"-p", "abc"},
                                                       {"-w", "0"},
                                                       {"-w", "4097"},
                                                       {"-t", "x"},
                                                       {"-f", "xml"},
                                                       {"extra"},
                                                       {"--discovery-port", "0"},
                                                       {"--name", "a b"},
                                                       {"--name", std::string(31, 'x')},
                                                       {"-a", "--no-discovery"},
                                                       {"-r", "--recycle-after", "5"},
                                                       {"-s", "x", "--secret-file", "y"},
                                                       {"--heartbeat", "2000", "--dead-after", "4000"},
                                                       {"--cache-size", "many"},
                                                       {"--output-limit", "4095"},
                                                       {"--output-limit", "2MiB"},
                                                       {"--output-limit", "18446744073709551615"},
                                                       {"--pass-env", "PP_SECRET"},
                                                       {"--log-level", "loud"}};
  for (const auto& words : wrong) {
    const auto end = refused(words);
    EXPECT_EQ(end.status, exit_usage) << words[0] << ": " << end.text;
    EXPECT_EQ(end.text.find('\n'), std::string::npos) << end.text;
    EXPECT_EQ(end.text.rfind("ppserver: ", 0), 0U) << end.text;
  }
}

TEST_F(Config, ReadsSizesWithTheirUnits) {
  EXPECT_EQ(accepted({"--cache-size", "500MiB"}).settings.cache_bytes, 500ULL << 20U);
  EXPECT_EQ(accepted({"--cache-size", "3g"}).settings.cache_bytes, 3ULL << 30U);
  EXPECT_EQ(accepted({"--cache-size", "4096"}).settings.cache_bytes, 4096U);
}

TEST_F(Config, TakesDefaultsFromTheEnvironmentAndLetsFlagsWin) {
  setenv("PP_INTERFACES", "lo", 1);
  setenv("PP_DISCOVERY_PORT", "61000", 1);
  setenv("PP_LOG", "error", 1);
  setenv("XDG_CACHE_HOME", "/var/tmp/x", 1);
  const auto s = accepted({}).settings;
  EXPECT_EQ(s.interfaces, "lo");
  EXPECT_EQ(s.discovery_port, 61000);
  EXPECT_EQ(s.log_level, log::level::error);
  EXPECT_EQ(s.cache_directory, "/var/tmp/x/pp");
  EXPECT_EQ(accepted({"-i", "eth0"}).settings.interfaces, "eth0");
  EXPECT_EQ(accepted({"--discovery-port", "62000"}).settings.discovery_port, 62000);
}

TEST_F(Config, UsesTheCacheDirectoryThatSystemdGives) {
  setenv("CACHE_DIRECTORY", "/var/cache/pp:/var/cache/other", 1);
  EXPECT_EQ(accepted({}).settings.cache_directory, "/var/cache/pp");
}

TEST_F(Config, ReadsAFileAndLetsFlagsWin) {
  const auto path = write_config(
      "# a node\nport = 61234\nworkers = 7\ninterface = [\"lo\", \"eth0\"]\nno-discovery = true\n"
      "cache-size = \"1GiB\"\nname = \"quiet\"\n");
  const auto s = accepted({"-c", path.string(), "-w", "9"}).settings;
  EXPECT_EQ(s.port, 61234);
  EXPECT_EQ(s.workers, 9U);
  EXPECT_EQ(s.interfaces, "lo,eth0");
  EXPECT_FALSE(s.discovery);
  EXPECT_EQ(s.cache_bytes, 1ULL << 30U);
  EXPECT_EQ(s.name, "quiet");
}

TEST_F(Config, LetsTheFileWinOverTheEnvironment) {
  setenv("PP_INTERFACES", "eth5", 1);
  EXPECT_EQ(accepted({"-c", write_config("interface = \"lo\"\n").string()}).settings.interfaces, "lo");
}

TEST_F(Config, BlamesTheFileForItsMistakes) {
  for (const char* text : {"port = 99999\n", "prot = 5\n", "workers = many\n", "[nonsense]\nx = 1\n"}) {
    const auto end = refused({"-c", write_config(text).string()});
    EXPECT_EQ(end.status, exit_config) << text;
    EXPECT_NE(end.text.find("ppserver.toml"), std::string::npos) << end.text;
    EXPECT_EQ(end.text.find('\n'), std::string::npos) << end.text;
  }
  EXPECT_NE(refused({"-c", write_config("prot = 5\n").string()}).text.find("'prot'"), std::string::npos);
}

TEST_F(Config, BlamesTheCommandLineForItsOwnMistakesEvenWithAFile) {
  EXPECT_EQ(refused({"-c", write_config("workers = 2\n").string(), "-p", "abc"}).status, exit_usage);
}

TEST_F(Config, SaysWhyAFileCannotBeRead) {
  const auto missing = refused({"-c", (directory_ / "none.toml").string()});
  EXPECT_EQ(missing.status, exit_config);
  EXPECT_NE(missing.text.find("No such file"), std::string::npos) << missing.text;
  EXPECT_NE(refused({"-c", directory_.path().string()}).text.find("not a regular file"), std::string::npos);
}

TEST(WipeArgument, LeavesNothingOfASecretInAnyForm) {
  std::string words[] = {"ppserver", "-s", "hunter22", "--secret=hunter22", "-shunter22", "hunter", "-p"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  wipe_argument(static_cast<int>(argv.size()), argv.data(), "hunter22");
  EXPECT_EQ(words[1], "-s");
  EXPECT_EQ(words[2], "********");
  EXPECT_EQ(words[3], "--secret=********");
  EXPECT_EQ(words[4], "-s********");
  EXPECT_EQ(words[5], "hunter");
  wipe_argument(static_cast<int>(argv.size()), argv.data(), "");
  EXPECT_EQ(words[6], "-p");
}

/// The flags of a text, each as "-x,--xxxx", with what stands beside them.
std::vector<std::string> long_flags(const std::string& text) {
  std::vector<std::string> flags;
  for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 2)) {
    const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    const auto flag = text.substr(at, end - at);
    if (flag.size() > 3 && flag[2] != '-') flags.push_back(flag);
  }
  return flags;
}

TEST_F(Config, IsTheSameInHelpAndInTheDocumentation) {
  const auto page = test::read_file(std::string(PP_SOURCE_DIR) + "/docs/operations.md");
  const auto help = refused({"--help"}).text;
  const auto begin = page.find("<!-- flags"), end = page.find("<!-- end of flags");
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const auto table = page.substr(begin, end - begin);
  for (const auto& flag : long_flags(help))
    EXPECT_NE(table.find(flag), std::string::npos) << flag << " is not documented";
  for (const auto& flag : long_flags(table)) EXPECT_NE(help.find(flag), std::string::npos) << flag << " does not exist";
}

TEST_F(Config, HasTheDocumentedDefaults) {
  const auto page = test::read_file(std::string(PP_SOURCE_DIR) + "/docs/operations.md");
  const auto help = refused({"--help"}).text;
  for (const char* flag :
       {"--port", "--discovery-port", "--recycle-after", "--road", "--spin", "--cache-size", "--timeout",
        "--drain-timeout", "--heartbeat", "--dead-after", "--log-level", "--log-format"}) {
    const auto row = page.find(std::string(flag) + "`");
    ASSERT_NE(row, std::string::npos) << flag;
    const auto first = page.find('|', row), second = page.find('|', first + 1);
    auto documented = page.substr(first + 1, second - first - 1);
    documented.erase(0, documented.find_first_not_of(" `"));
    documented.erase(documented.find_last_not_of(" `") + 1);
    EXPECT_FALSE(documented.empty()) << flag;
    EXPECT_NE(help.find(flag), std::string::npos);
    const auto line = help.substr(help.find(flag), 120);
    EXPECT_NE(line.find(documented), std::string::npos) << flag << ": documented " << documented << ", --help says\n"
                                                        << line;
  }
}

}  // namespace
}  // namespace pp::ppserver
