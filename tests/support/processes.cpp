#include "tests/support/processes.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pp::test {
namespace {

namespace fs = std::filesystem;

struct process_state {
  char state = 0;
  pid_t parent = 0;
};

// /proc/N/stat: pid (name) state parent …; the name may hold anything, so the last bracket counts.
process_state state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  process_state s;
  if (!std::getline(file, line)) return s;
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  rest >> s.state >> s.parent;
  return s;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
      pids.push_back(std::stoi(name));
  }
  return pids;
}

std::size_t entries_of(const char* directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

std::uint16_t free_port(int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(type == SOCK_DGRAM ? INADDR_ANY : INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool ok = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t pid) {
  std::vector<pid_t> found;
  for (const pid_t other : all_pids()) {
    if (state_of(other).parent != pid) continue;
    for (const pid_t below : descendants_of(other)) found.push_back(below);
    found.push_back(other);
  }
  return found;
}

bool is_alive(pid_t pid) {
  const char state = state_of(pid).state;
  return state != 0 && state != 'Z' && state != 'X';
}

bool wait_until_gone(const std::vector<pid_t>& pids, std::chrono::milliseconds limit) {
  return wait_until([&] { return std::none_of(pids.begin(), pids.end(), is_alive); }, limit);
}

std::size_t open_descriptors() { return entries_of("/proc/self/fd"); }
std::size_t thread_count() { return entries_of("/proc/self/task"); }

bool is_port_bound(const std::string& table, std::uint16_t port) {
  std::ifstream file("/proc/net/" + table);
  char wanted[8];
  std::snprintf(wanted, sizeof wanted, ":%04X", port);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, state;
    words >> slot >> local >> remote >> state;
    const bool time_wait = state == "06" && table.starts_with("tcp");
    if (!time_wait && local.size() > 5 && local.substr(local.size() - 5) == wanted) return true;
  }
  return false;
}

std::uint16_t free_udp_port() { return free_port(SOCK_DGRAM); }
std::uint16_t free_tcp_port() { return free_port(SOCK_STREAM); }

}  // namespace pp::test
