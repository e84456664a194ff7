// Discovery between two machines, played by two network namespaces with two cables, red and blue, between them.
//
// Each test forks a "near" process, which makes a namespace of its own and forks the "far" one. The namespaces have no
// name and go away with the two processes; nothing of this touches the machine's own network.
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/discovery_lab.hpp"

namespace pp::discovery::test {
namespace {

constexpr unsigned child_limit_seconds = 90;  // a child that hangs is ended by its own alarm
constexpr std::uint16_t port = 60000;         // ours alone in a new namespace

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

void run(const std::string& command) { require(std::system(command.c_str()) == 0, "failed: " + command); }

struct no_namespaces : std::runtime_error {
  no_namespaces() : std::runtime_error("this machine lets nobody make network namespaces") {}
};

void become_root_of_a_user_namespace() {
  const auto uid = std::to_string(geteuid());
  const auto gid = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER) != 0) throw no_namespaces();
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " + uid + " 1";
  std::ofstream("/proc/self/gid_map") << "0 " + gid + " 1";
}

void enter_new_network() {
  if (unshare(CLONE_NEWNET) != 0) {
    become_root_of_a_user_namespace();
    if (unshare(CLONE_NEWNET) != 0) throw no_namespaces();
  }
  run("ip link set lo up");
}

/// A forked process; what its body throws is its failure. Tokens of one byte go both ways.
class child {
 public:
  using body = std::function<void(child& parent)>;

  explicit child(const body& what) {
    int down[2], up[2];
    require(pipe(down) == 0 && pipe(up) == 0, "no pipes");
    std::fflush(nullptr);  // or the child prints once more what is waiting to be printed
    pid_ = fork();
    require(pid_ >= 0, "no process");
    const bool inside = pid_ == 0;
    in_ = inside ? down[0] : up[0];
    out_ = inside ? up[1] : down[1];
    ::close(inside ? down[1] : up[1]);
    ::close(inside ? up[0] : down[0]);
    if (!inside) return;
    alarm(child_limit_seconds);
    std::signal(SIGPIPE, SIG_IGN);
    say(failure_of(what) + "\n");
    _exit(0);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    ::close(in_);
    ::close(out_);
    if (!reaped_) end_by_force();
  }

  pid_t pid() const { return pid_; }
  void say(const std::string& token) {
    require(write(out_, token.data(), token.size()) >= 0, "the other side is gone");
  }
  /// True once the other side has said this byte, or has gone.
  bool has_said(char token) {
    pollfd p{in_, POLLIN, 0};
    while (poll(&p, 1, 0) == 1) {
      char c = 0;
      if (read(in_, &c, 1) != 1) return true;
      heard_ += c;
    }
    return heard_.find(token) != std::string::npos;
  }
  void wait_until_said(char token) {
    pollfd p{in_, POLLIN, 0};
    while (!has_said(token)) require(poll(&p, 1, static_cast<int>(child_limit_seconds) * 1000) == 1, "no answer");
  }
  /// Waits for the end; gives the failure, "" if there was none. A token before it is not part of it.
  std::string failure() {
    wait_until_said('\n');
    waitpid(pid_, nullptr, 0);
    reaped_ = true;
    const auto begin = heard_.find('=');
    return begin == std::string::npos ? "died" : heard_.substr(begin + 1, heard_.size() - begin - 2);
  }

 private:
  std::string failure_of(const body& what) {
    try {
      what(*this);
      return "=";
    } catch (const std::exception& e) {
      return std::string("=") + e.what();
    }
  }
  void end_by_force() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string heard_;
  bool reaped_ = false;
};

/// The far machine; its body starts once the cables are there: r (ready), g (go), then tokens of the test's own.
class far_machine {
 public:
  explicit far_machine(const child::body& body)
      : process_([body](child& near) {
          enter_new_network();
          near.say("r");
          near.wait_until_said('g');
          body(near);
        }) {
    process_.wait_until_said('r');
  }
  void connect() {
    const auto there = std::to_string(process_.pid());
    int number = 0;
    for (const std::string colour : {"red", "blue"}) {
      const auto net = "10.77." + std::to_string(++number) + ".";
      run("ip link add " + colour + "0 type veth peer name " + colour + "1 netns " + there);
      run("ip address add " + net + "1/24 broadcast " + net + "255 dev " + colour + "0");
      run("ip link set " + colour + "0 up");
    }
    process_.say("g");
  }
  child& process() { return process_; }
  void finish() {
    process_.say("x");
    const auto failure = process_.failure();
    require(failure.empty(), "far: " + failure);
  }

 private:
  child process_;
};

/// The far end's half of the cables; without a broadcast address, as many people type it.
void plug_in() {
  run("ip address add 10.77.1.2/24 dev red1 && ip link set red1 up");
  run("ip address add 10.77.2.2/24 dev blue1 && ip link set blue1 up");
}

void expect_to_succeed(const std::function<void()>& near) {
  child process([&](child&) {
    enter_new_network();
    near();
  });
  const auto failure = process.failure();
  if (failure == no_namespaces().what()) GTEST_SKIP() << failure << "; the loopback tests cover the rest";
  EXPECT_EQ(failure, "");
}

announcer::options talking(const lab& l) {
  auto o = l.node_options();
  o.interval = 100ms;
  return o;
}
browser::options asking(const lab& l) {
  auto o = l.browser_options();
  o.interval = 100ms;
  return o;
}

void play_node(child& near, const std::string& wish, bool says_goodbye = false) {
  plug_in();
  lab l(wish);
  l.port = port;
  auto& n = l.start_node(talking(l));
  l.wait_for([&] { return near.has_said('x'); }, 60s);
  if (says_goodbye) n.goodbye();
}

TEST(DiscoveryNamespaces, ANodeIsFoundOverTheNetworkOnBothCables) {
  expect_to_succeed([] {
    far_machine far([](child& near) { play_node(near, "", true); });
    far.connect();
    lab l("");
    l.port = port;
    auto& b = l.start_browser(asking(l));
    const auto is_found = [&] { return b.nodes().size() == 1 && b.nodes().nodes()[0].endpoints.size() == 2; };
    require(l.wait_for(is_found), "not found on both cables");
    const auto node = b.nodes().nodes()[0];
    require(!node.same_host, "it is another machine");
    std::string endpoints;
    for (const auto& e : node.endpoints) endpoints += e.text() + " ";
    require(endpoints.find("10.77.1.2:41001 ") != std::string::npos, endpoints);
    require(endpoints.find("10.77.2.2:41001 ") != std::string::npos, endpoints);
    std::string asked;
    for (const auto& i : b.what_happened().interfaces) asked += i.text + (i.queries > 0 ? ";" : "?");
    require(asked == "blue0 (10.77.2.255);lo (127.255.255.255);red0 (10.77.1.255);", asked);
    far.finish();
    require(l.wait_for([&] { return l.told(change_kind::draining) == 1; }), "no goodbye");
  });
}

void bind_to(bare_socket& socket, const char* device) {
  const auto size = static_cast<socklen_t>(std::string(device).size());
  const int fd = socket.native().native_handle();
  require(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, size) == 0, "SO_BINDTODEVICE");
}

// The first datagram that is heard on the cable must be the mark, sent last.
void require_nothing_but_a_mark(lab& l, bare_socket& ear) {
  std::optional<bytes> first;
  require(l.wait_for([&] { return (first = ear.receive()).has_value(); }), "the mark did not come");
  require(first->size() == 1, "something leaked to an interface that is not selected");
}

TEST(DiscoveryNamespaces, NothingLeavesTheSelectedInterface) {
  expect_to_succeed([] {
    far_machine far([](child& near) {
      plug_in();
      lab l("red1");
      l.port = port;
      bare_socket ear(l.io, port);
      bind_to(ear, "blue1");
      auto& n = l.start_node(talking(l));
      l.wait_for([&] { return near.has_said('m'); }, 60s);
      require(n.seen().announced >= 10 && n.seen().answered >= 3, "it was silent");
      require_nothing_but_a_mark(l, ear);
      ear.send(bytes(1), net::ip::make_address_v4("10.77.2.255"), port);
      l.wait_for([&] { return near.has_said('x'); }, 60s);
    });
    far.connect();
    lab l("red0");
    l.port = port;
    bare_socket ear(l.io, port);
    bind_to(ear, "blue0");
    auto& b = l.start_browser(asking(l));
    require(l.wait_for([&] { return b.what_happened().accepted >= 20; }), "not found");
    require(b.nodes().nodes().at(0).endpoints.size() == 1, "the other cable's address was told");
    ear.send(bytes(1), net::ip::make_address_v4("10.77.2.255"), port);
    far.process().say("m");
    require_nothing_but_a_mark(l, ear);
    far.finish();
  });
}

TEST(DiscoveryNamespaces, NothingIsAcceptedFromOtherInterfaces) {
  expect_to_succeed([] {
    far_machine far([](child& near) { play_node(near, "blue1"); });
    far.connect();
    lab l("red0");
    l.port = port;
    auto& b = l.start_browser(asking(l));
    require(l.wait_for([&] { return b.what_happened().not_selected >= 5; }), "nothing came in on blue");
    const auto r = b.what_happened();
    require(b.nodes().empty() && r.received == 0, "accepted from blue");
    require(r.text().find("came in on interfaces that are not selected") != std::string::npos, r.text());
    far.finish();
  });
}

TEST(DiscoveryNamespaces, AMachineWithoutANetworkFindsItself) {
  expect_to_succeed([] {
    lab l("");
    l.port = port;
    auto& b = l.start_browser(l.browser_options());
    l.start_node(l.node_options());
    require(l.wait_for([&] { return b.nodes().size() == 1; }), "not found");
    const auto node = b.nodes().nodes()[0];
    require(node.same_host && node.endpoints.at(0).text() == "127.0.0.1:41001", node.endpoints.at(0).text());
  });
}

TEST(DiscoveryNamespaces, NodeAndClientOfOneMachineMeetOnAnInterfaceThatIsNotLoopback) {
  expect_to_succeed([] {
    far_machine far([](child& near) { play_node(near, "blue1"); });
    far.connect();
    lab l("red0");
    l.port = port;
    auto quiet = l.node_options(2);
    quiet.at_start.clear();
    quiet.interval = 1h;
    l.start_node(quiet);
    auto& b = l.start_browser(asking(l));
    require(l.wait_for([&] { return b.nodes().size() == 1; }), "not found by a reply that came through loopback");
    const auto node = b.nodes().nodes()[0];
    require(node.same_host && node.name == "node2", node.name);
    require(node.endpoints.at(0).text() == "10.77.1.1:41002", node.endpoints.at(0).text());
    far.finish();
  });
}

TEST(DiscoveryNamespaces, AnInterfaceThatComesLaterIsUsed) {
  expect_to_succeed([] {
    far_machine far([](child& near) { play_node(near, ""); });
    lab l("");
    l.port = port;
    auto& b = l.start_browser(asking(l));
    const auto asked_on_loopback = [&] {
      const auto r = b.what_happened();
      return r.interfaces.size() == 1 && r.interfaces[0].queries > 0;
    };
    require(l.wait_for(asked_on_loopback), "loopback alone first");
    far.connect();
    require(l.wait_for([&] { return b.nodes().size() == 1; }), "not found");
    far.finish();
  });
}

}  // namespace
}  // namespace pp::discovery::test
