// A thousand clients on one node: memory per session in the node, and whether each of them gets its job done.
#include <algorithm>
#include <memory>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

std::uint64_t plus_one(std::uint64_t n) { return n + 1; }

// A hundred clients are one process: each has a thread, and OpenSSL keeps some locked memory for every thread.
constexpr std::size_t per_process = 100;

// A node lets 200 strangers in at once and 100 a second, so clients that come together wait for their turn.
int be_clients(int, char** argv) {
  const std::size_t count = std::strtoull(argv[3], nullptr, 10);
  std::vector<std::unique_ptr<pp::client>> clients;
  pp::options options;
  options.nodes = {argv[2]};
  while (clients.size() < count) {
    clients.push_back(std::make_unique<pp::client>(options));
    wait_until_ready(*clients.back());
  }
  std::printf("ready\n");
  std::fflush(stdout);
  while (std::getchar() != '\n') {
  }
  std::vector<pp::future<std::uint64_t>> futures;
  for (std::size_t i = 0; i < count; ++i) futures.push_back(clients[i]->submit(plus_one, i));
  for (std::size_t i = 0; i < count; ++i) require(futures[i].get() == i + 1, "a session gave a wrong result");
  std::printf("%zu\n", count);
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const node n;
  const std::size_t count = o.pick(1000, 10), per = std::min(count, per_process);
  row& memory = out.add(row{"", std::to_string(count) + " sessions: memory of the node", "B each"});
  row& logins = out.add(row{"", std::to_string(count) + " sessions: logins", "1/s"});
  row& jobs = out.add(row{"", std::to_string(count) + " sessions: a job of each", "s"});
  pp::client first(only(n));
  require(first.submit(plus_one, 1).get() == 2, "a job gave a wrong result");
  const std::size_t before = memory_of(n.pid(), "VmRSS");
  const auto start = steady::now();
  std::vector<std::unique_ptr<background_program>> processes;
  for (std::size_t i = 0; i < count; i += per) {
    processes.push_back(std::make_unique<background_program>(
        std::vector<std::string>{"/proc/self/exe", "--clients", n.address(), std::to_string(per)}, 1));
    require(processes.back()->read_line() == "ready", "clients did not become ready");
  }
  logins.ours.push_back(static_cast<double>(count) / seconds_since(start));
  const auto asked = steady::now();
  for (auto& p : processes) p->write_line("go");
  for (auto& p : processes) require(p->read_line() == std::to_string(per), "a session gave a wrong result");
  jobs.ours.push_back(seconds_since(asked));
  memory.ours.push_back(static_cast<double>(memory_of(n.pid(), "VmRSS") - before) / static_cast<double>(count));
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("sessions", argc, argv, measure, {{"--clients", be_clients}});
}
