// How the daemon starts, what it says, and what it refuses: exit statuses and the one line that says what to do.
#include <fstream>
#include <regex>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/cluster.hpp"
#include "tests/support/processes.hpp"

namespace pp::test {
namespace {

/// Runs ppserver with these arguments, in a cluster's environment, to its end.
finished_process run_server(const cluster& c, std::vector<std::string> arguments,
                            const std::map<std::string, std::string>& environment = {}) {
  arguments.insert(arguments.begin(), PP_SERVER_PROGRAM);
  auto p = c.command(std::move(arguments));
  for (const auto& [name, value] : environment) p.environment[name] = value;
  return run_program(p);
}

/// The last line, which is the one for the person who started it.
std::string last_line(const std::string& text) {
  const auto end = text.find_last_not_of('\n');
  const auto begin = text.rfind('\n', end);
  return text.substr(begin + 1, end - begin);
}

/// Somebody else's listening socket.
class occupied_port {
 public:
  occupied_port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    number = ntohs(at.sin_port);
  }
  occupied_port(const occupied_port&) = delete;
  occupied_port& operator=(const occupied_port&) = delete;
  ~occupied_port() { ::close(fd_); }

  int number = 0;

 private:
  int fd_;
};

TEST(PpserverRefuses, AWrongFlagWithTheUsageStatus) {
  const cluster c;
  const auto run = run_server(c, {"--nonsense"});
  EXPECT_EQ(run.end.status, 64);
  EXPECT_NE(run.err.find("--nonsense"), std::string::npos) << run.err;
}

TEST(PpserverRefuses, APortInUseAndSaysWhatToDo) {
  const cluster c;
  const occupied_port taken;
  const auto run = run_server(c, {"-p", std::to_string(taken.number)});
  EXPECT_EQ(run.end.status, 69);
  EXPECT_EQ(last_line(run.err), "ppserver: port " + std::to_string(taken.number) +
                                    " is in use by another program: stop it, or choose another with -p (0 = any free)");
}

TEST(PpserverRefuses, AnUnknownInterfaceAndListsTheKnownOnes) {
  const cluster c;
  const auto run = run_server(c, {"-p", "0", "-i", "nosuch7"});
  EXPECT_EQ(run.end.status, 78);
  EXPECT_NE(last_line(run.err).find("nosuch7"), std::string::npos) << run.err;
  EXPECT_NE(last_line(run.err).find("lo"), std::string::npos) << run.err;
}

TEST(PpserverRefuses, AKeyringThatOthersCanRead) {
  const cluster c;
  std::filesystem::permissions(c.keyring(), std::filesystem::perms(0644));
  const auto run = run_server(c, {"-p", "0"});
  EXPECT_EQ(run.end.status, 78);
  EXPECT_NE(last_line(run.err).find("chmod 600"), std::string::npos) << run.err;
}

TEST(PpserverRefuses, AConfigurationFileItCannotUse) {
  const cluster c;
  EXPECT_EQ(run_server(c, {"-c", (c.directory() / "none").string()}).end.status, 78);
  write_file(c.directory() / "bad.toml", "prot = 5\n");
  const auto run = run_server(c, {"-c", (c.directory() / "bad.toml").string()});
  EXPECT_EQ(run.end.status, 78);
  EXPECT_NE(last_line(run.err).find("'prot'"), std::string::npos) << run.err;
}

TEST(PpserverRefuses, ACacheDirectoryThatOthersCanWrite) {
  const cluster c;
  const auto open_to_all = c.directory() / "open";
  std::filesystem::create_directory(open_to_all);
  std::filesystem::permissions(open_to_all, std::filesystem::perms(0777));
  const auto run = run_server(c, {"-p", "0", "--cache-dir", open_to_all.string()});
  EXPECT_EQ(run.end.status, 78);
  EXPECT_NE(last_line(run.err).find(open_to_all.string()), std::string::npos) << run.err;
}

TEST(PpserverRefuses, InlineSecretsWhereTheyAreForbidden) {
  const cluster c;
  const std::string secret = "correct horse battery staple 1234";
  EXPECT_EQ(run_server(c, {"-p", "0", "--no-inline-secret", "-s", secret}).end.status, 78);
  const auto run = run_server(c, {"-p", "0", "--no-inline-secret"}, {{"PP_SECRET", secret}});
  EXPECT_EQ(run.end.status, 78);
  EXPECT_EQ(run.err.find(secret), std::string::npos) << "the secret itself is never printed";
}

TEST(PpserverReady, SaysSoOnceInText) {
  const cluster c;
  auto p = c.command({PP_SERVER_PROGRAM, "-p", "0", "-w", "3"});
  child_process server(p);
  ASSERT_TRUE(server.wait_for_err("event=ready")) << server.err();
  const std::regex line("event=ready address=127\\.0\\.0\\.1:[0-9]+ node=[0-9a-f]{32} workers=3\n");
  const auto text = server.err();
  EXPECT_EQ(std::distance(std::sregex_iterator(text.begin(), text.end(), line), std::sregex_iterator()), 1) << text;
}

TEST(PpserverReady, SaysSoInJsonAndWhateverTheLogLevel) {
  const cluster c;
  node::parameters p;
  p.extra = {"--log-level", "error"};
  const auto n = c.start_node(p);
  EXPECT_TRUE(n->is_ready());
  EXPECT_EQ(n->id().size(), 32U);
  EXPECT_GT(n->port(), 0);
  const auto line = nlohmann::json::parse(last_line(n->log()));
  EXPECT_EQ(line["workers"], 2);
}

TEST(PpserverReady, TellsTheServiceManagerThroughItsSocket) {
  const cluster c;
  for (const bool is_abstract : {false, true}) {
    const std::string path = is_abstract ? "@pp-test-" + std::to_string(getpid()) : (c.directory() / "notify").string();
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), at.sun_path);
    if (is_abstract) at.sun_path[0] = '\0';
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
    const timeval limit{60, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    node::parameters p;
    p.environment = {{"NOTIFY_SOCKET", path}};
    const auto n = c.start_node(p);
    char text[512] = "";
    ASSERT_GT(::recv(fd, text, sizeof text - 1, 0), 0);
    EXPECT_EQ(std::string(text).rfind("READY=1\n", 0), 0U) << text;
    n->terminate();
    std::fill(std::begin(text), std::end(text), '\0');
    ASSERT_GT(::recv(fd, text, sizeof text - 1, 0), 0);
    EXPECT_EQ(std::string(text), "STOPPING=1");
    ::close(fd);
  }
}

TEST(PpserverReady, ListensOnTheSamePortOfBothFamilies) {
  const cluster c;
  const auto n = c.start_node("both");
  EXPECT_TRUE(is_port_bound("tcp", n->port()));
  if (std::ifstream("/proc/net/if_inet6").peek() != std::ifstream::traits_type::eof()) {
    EXPECT_TRUE(is_port_bound("tcp6", n->port()));
  }
}

TEST(PpserverEnds, WithStatusZeroAndNothingLeftAfterSigtermAndSigint) {
  for (const int number : {SIGTERM, SIGINT}) {
    const cluster c;
    const auto n = c.start_node("short");
    const auto port = n->port();
    const auto begun_in = files_below(n->cache_directory());
    n->process().signal(number);
    const auto end = n->process().wait();
    ASSERT_TRUE(end.has_value()) << n->log();
    EXPECT_EQ(end->status, 0) << n->log();
    EXPECT_FALSE(is_port_bound("tcp", port));
  }
}

TEST(PpserverEnds, ByItselfWhenIdleAndTakesItsPidFileAlong) {
  const cluster c;
  const auto pid_path = c.directory() / "pid";
  node::parameters p;
  p.extra = {"-t", "1", "-P", pid_path.string()};
  p.wait_until_ready = false;
  const auto n = c.start_node(p);
  const auto end = n->process().wait();
  ASSERT_TRUE(end.has_value()) << n->log();
  EXPECT_EQ(end->status, 0);
  EXPECT_TRUE(n->is_ready());
  EXPECT_FALSE(std::filesystem::exists(pid_path));
}

TEST(PpserverPidFile, NamesTheProcessAndGoesWithIt) {
  const cluster c;
  const auto path = c.directory() / "pid";
  node::parameters p;
  p.extra = {"-P", path.string()};
  const auto n = c.start_node(p);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(path); }));
  EXPECT_EQ(read_file(path), std::to_string(n->process().pid()) + "\n");
  n->terminate();
  EXPECT_EQ(n->process().wait(), (exit_state{0, 0}));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(PpserverPidFile, OfALivingServerIsRefusedAndAStaleOneReplaced) {
  const cluster c;
  const auto path = c.directory() / "pid";
  node::parameters p;
  p.extra = {"-P", path.string()};
  {
    const auto first = c.start_node(p);
    const auto second = run_server(c, {"-p", "0", "-P", path.string()});
    EXPECT_EQ(second.end.status, 69);
    EXPECT_NE(last_line(second.err).find(std::to_string(first->process().pid())), std::string::npos) << second.err;
    first->kill();
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << "killed: it could not take the file along";
  const auto again = c.start_node(p);
  EXPECT_EQ(read_file(path), std::to_string(again->process().pid()) + "\n");
}

TEST(PpserverStatistics, ComeAsATableOnSigusr1) {
  const cluster c;
  child_process server(c.command({PP_SERVER_PROGRAM, "-p", "0", "-w", "2", "--name", "counted"}));
  ASSERT_TRUE(server.wait_for_err("event=ready"));
  server.signal(SIGUSR1);
  ASSERT_TRUE(server.wait_for_err("strangers refused")) << server.err();
  EXPECT_NE(server.err().find("Node counted ("), std::string::npos);
  EXPECT_TRUE(server.is_running());
}

TEST(PpserverStatistics, ComeAsJsonWhereTheLogIsJson) {
  const cluster c;
  const auto n = c.start_node("counted");
  n->process().signal(SIGUSR1);
  ASSERT_TRUE(n->process().wait_for_err("\"sessions\"")) << n->log();
  ASSERT_TRUE(wait_until([&] { return n->log().back() == '\n'; }));
  const auto numbers = nlohmann::json::parse(last_line(n->log()));
  EXPECT_EQ(numbers["name"], "counted");
  EXPECT_EQ(numbers["slots"], 2);
  EXPECT_EQ(numbers["free"], 2);
}

TEST(PpserverNodeId, IsFreshAtEachStartUnlessAFileKeepsIt) {
  const cluster c;
  EXPECT_NE(c.start_node("a")->id(), c.start_node("a")->id());
  node::parameters p;
  p.extra = {"--node-id-file", (c.directory() / "id").string()};
  const auto first = c.start_node(p)->id();
  EXPECT_EQ(c.start_node(p)->id(), first);
  write_file(c.directory() / "id", "nonsense\n");
  EXPECT_EQ(run_server(c, {"-p", "0", "--node-id-file", (c.directory() / "id").string()}).end.status, 78);
}

TEST(PpserverKeys, AreMadeOnFirstUseForTheUserAlone) {
  const cluster c;
  auto p = c.command({PP_SERVER_PROGRAM, "-p", "0"});
  p.environment.erase("PP_SECRET_FILE");
  p.unset = {"PP_SECRET_FILE", "PP_SECRET", "CREDENTIALS_DIRECTORY"};
  child_process server(p);
  ASSERT_TRUE(server.wait_for_err("event=ready")) << server.err();
  const auto made = std::filesystem::path(c.environment().at("XDG_CONFIG_HOME")) / "pp" / "keyring";
  ASSERT_TRUE(std::filesystem::exists(made)) << server.err();
  EXPECT_EQ(std::filesystem::status(made).permissions(), std::filesystem::perms(0600));
  EXPECT_NE(server.err().find("event=key_created"), std::string::npos);
}

TEST(PpserverKeys, ThatAreBrokenOnReloadLeaveTheOldOnesInForce) {
  const cluster c;
  const auto n = c.start_node("keeper");
  write_file(c.keyring(), "nonsense\n");
  n->process().signal(SIGHUP);
  ASSERT_TRUE(n->process().wait_for_err("keys_kept")) << n->log();
  write_file(c.keyring(), new_keyring_line());
  n->process().signal(SIGHUP);
  EXPECT_TRUE(n->process().wait_for_err("keys_loaded")) << n->log();
}

TEST(PpserverSecret, ThatIsWeakIsRefusedUnlessItMayBe) {
  const cluster c;
  auto p = c.command({PP_SERVER_PROGRAM, "-p", "0", "-s", "hunter2"});
  p.environment.erase("PP_SECRET_FILE");
  p.unset = {"PP_SECRET_FILE", "PP_SECRET"};
  const auto refused = run_program(p);
  EXPECT_EQ(refused.end.status, 78);
  EXPECT_EQ(refused.err.find("hunter2"), std::string::npos) << refused.err;
  p.arguments.emplace_back("--allow-weak-secret");
  child_process server(p);
  ASSERT_TRUE(server.wait_for_err("event=ready")) << server.err();
  EXPECT_NE(server.err().find("event=weak_secret"), std::string::npos) << server.err();
}

TEST(PpserverSecret, IsNotLeftInTheArgumentList) {
  const cluster c;
  const std::string secret = "correct horse battery staple 1234";
  auto p = c.command({PP_SERVER_PROGRAM, "-p", "0", "-s", secret});
  p.environment.erase("PP_SECRET_FILE");
  p.unset = {"PP_SECRET_FILE", "PP_SECRET"};
  child_process server(p);
  ASSERT_TRUE(server.wait_for_err("event=ready")) << server.err();
  EXPECT_EQ(read_file("/proc/" + std::to_string(server.pid()) + "/cmdline").find("horse"), std::string::npos);
  EXPECT_EQ(server.err().find("horse"), std::string::npos);
}

}  // namespace
}  // namespace pp::test
