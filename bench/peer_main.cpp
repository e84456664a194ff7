#include "bench/peer_main.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "bench/figures.hpp"
#include "bench/workloads.hpp"

namespace bench {
namespace {

sockaddr_in loopback(unsigned port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(static_cast<std::uint16_t>(port));
  return a;
}

std::string trips(peer_workloads& by, std::size_t count) {
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    by.one(i);
    micros.push_back(micros_since(start));
  }
  return std::to_string(median(micros)) + ' ' + std::to_string(percentile(micros, 0.99));
}

std::string figure(double value) { return value < 0 ? "cannot" : std::to_string(value); }

std::string answer(peer_workloads& by, std::istringstream line) {
  std::string what;
  std::size_t count = 0, bytes = 0;
  double seconds = 0;
  line >> what;
  if (what == "trips" && line >> count) return trips(by, count);
  if (what == "rate" && line >> count) return figure(by.rate(count));
  if (what == "echo" && line >> bytes >> count) return figure(by.echo_rate(bytes, count));
  if (what == "burn" && line >> count >> seconds) return figure(by.makespan(std::vector<double>(count, seconds)));
  if (what == "mixed" && line >> count) return figure(by.makespan(mixed_lengths(count)));
  return "unknown";
}

}  // namespace

int answer_lines(peer_workloads& by) try {
  for (std::uint64_t i = 0; i < 200; ++i) by.one(i);  // to warm up, and to know that everybody is there
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << answer(by, std::istringstream(line)) << std::endl;
  return 0;
} catch (const std::exception& e) {
  std::cout << e.what() << std::endl;
  return 1;
}

pid_t fork_process() { return fork(); }

void prepare_child() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(1800);
}

void end_child() { std::_Exit(0); }

pid_t start_program(const std::vector<std::string>& arguments) {
  return child([&] {
    std::vector<char*> argv;
    for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
  });
}

unsigned free_port() {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  bind(s, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(s, reinterpret_cast<sockaddr*>(&address), &size);
  close(s);
  return ntohs(address.sin_port);
}

bool is_listening(unsigned port) {
  const auto address = loopback(port);
  for (const auto start = steady::now(); seconds_since(start) < 10;) {
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_there = connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(s);
    if (is_there) return true;
    usleep(2000);
  }
  return false;
}

}  // namespace bench
