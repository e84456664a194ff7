// IPython's scenario: four calls that take 5 s each, balanced over the workers there are: with four they take 5 s in all.
//
// Usage: four_calls [SECONDS]. Start one node with four workers (ppserver -w 4), or any other four.
#include <unistd.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <pp/pp.hpp>

namespace {

int wait_a_while(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return getpid();
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const double seconds = argc > 1 ? std::stod(argv[1]) : 5;
  pp::client client;
  client.wait_for_nodes(1, std::chrono::seconds(10));
  const auto start = std::chrono::steady_clock::now();
  std::vector<pp::future<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(client.submit(wait_a_while, seconds));
  for (auto& call : calls) {
    const std::string node = call.node();
    std::cout << "done in process " << call.get() << " on " << node << '\n';
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << "4 calls of " << seconds << " s took " << took.count() << " s\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << "four_calls: " << e.what() << '\n';
  return 1;
}
