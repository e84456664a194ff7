// The scenario of ZeroMQ's hello: ten clients on one node, then a second node joins, and nothing is configured anew.
//
// Usage: late_node [SECONDS]. Runs ten clients for SECONDS (default 20) and prints every second how many jobs were done on which
// node. Start one node before (ppserver -w 1) and a second one while it runs.
#include <atomic>
#include <chrono>
#include <exception>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pp/pp.hpp>

namespace {

using namespace std::chrono_literals;

std::string hello(const std::string& who) {
  std::this_thread::sleep_for(20ms);
  return "Hello, " + who;
}

/// What all clients did since it was asked last.
class tally {
 public:
  void count(const std::string& node) {
    const std::lock_guard hold(lock_);
    ++by_node_[node];
  }
  std::map<std::string, unsigned> take() {
    const std::lock_guard hold(lock_);
    return std::exchange(by_node_, {});
  }

 private:
  std::mutex lock_;
  std::map<std::string, unsigned> by_node_;
};

void run_client(int number, tally& done, const std::atomic<bool>& is_over) {
  pp::options options;
  options.local = 0;
  pp::client client(options);
  std::vector<pp::future<std::string>> jobs;
  while (!is_over) {
    for (int i = 0; i < 4; ++i) jobs.push_back(client.submit(hello, "client " + std::to_string(number)));
    for (auto& job : jobs) {
      const auto node = job.node();
      job.get();
      done.count(node);
    }
    jobs.clear();
  }
}

void print(int second, const std::map<std::string, unsigned>& by_node) {
  unsigned all = 0;
  for (const auto& [node, jobs] : by_node) all += jobs;
  std::cout << "second " << second << ": " << all << " jobs";
  for (const auto& [node, jobs] : by_node) std::cout << ", " << node << ": " << jobs;
  std::cout << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const int seconds = argc > 1 ? std::stoi(argv[1]) : 20;
  tally done;
  std::atomic<bool> is_over{false};
  std::vector<std::jthread> clients;
  for (int i = 1; i <= 10; ++i) clients.emplace_back([&, i] { run_client(i, done, is_over); });
  for (int second = 1; second <= seconds; ++second) {
    std::this_thread::sleep_for(1s);
    print(second, done.take());
  }
  is_over = true;
  return 0;
} catch (const std::exception& e) {
  std::cerr << "late_node: " << e.what() << '\n';
  return 1;
}
