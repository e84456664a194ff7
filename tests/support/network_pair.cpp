#include "tests/support/network_pair.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/support/child_process.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::test {
namespace {

bool ip(const std::vector<std::string>& arguments) {
  const temporary_directory directory;
  child_process::parameters p;
  p.arguments = {"ip"};
  p.arguments.insert(p.arguments.end(), arguments.begin(), arguments.end());
  p.directory = directory.path();
  return run_program(p).end == exit_state{0, 0};
}

}  // namespace

bool network_pair::is_possible() {
  const std::string name = "pp-probe-" + std::to_string(getpid());
  return geteuid() == 0 && ip({"netns", "add", name}) && ip({"netns", "delete", name});
}

network_pair::network_pair() {
  for (int end : {0, 1}) names_[end] = "pp-test-" + std::to_string(getpid()) + "-" + std::to_string(end);
  bool ok = ip({"netns", "add", names_[0]}) && ip({"netns", "add", names_[1]});
  ok = ok && ip({"link", "add", interface(0), "netns", names_[0], "type", "veth", "peer", "name", interface(1), "netns",
                 names_[1]});
  for (int end : {0, 1}) {
    ok = ok && ip({"-n", names_[end], "link", "set", "lo", "up"}) &&
         ip({"-n", names_[end], "address", "add", address(end) + "/24", "broadcast", "10.87.0.255", "dev",
             interface(end)}) &&
         ip({"-n", names_[end], "link", "set", interface(end), "up"});
  }
  if (!ok) throw std::runtime_error("cannot make a pair of network namespaces");
}

network_pair::~network_pair() {
  for (const auto& name : names_) ip({"netns", "delete", name});
}

void network_pair::set_cable(bool plugged_in) {
  ip({"-n", names_[0], "link", "set", interface(0), plugged_in ? "up" : "down"});
}

}  // namespace pp::test
