// The scenario of ZeroMQ's load-balancing broker: 17 jobs of very different lengths on two workers, and none of them waits for a
// busy one while the other is free.
//
// Usage: skewed_jobs [UNIT_MS [NODE]]. Job number i takes UNIT_MS (default 20) times a length between 1 and 30. With NODE the jobs
// run there only. Prints the time taken and the best that two workers could do; two idle workers are expected.
#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <pp/pp.hpp>

namespace {

using namespace std::chrono_literals;

int rest(int length_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(length_ms));
  return length_ms;
}

/// 30 1 2 1 3 … with the long ones spread among the short: whoever gives jobs out in turns ends far behind.
const std::vector<int> lengths{30, 1, 2, 1, 12, 3, 1, 20, 1, 2, 8, 1, 5, 1, 9, 2, 1};

/// What two workers need at least: half of all, or the longest job.
int best_of_two() {
  const int all = std::accumulate(lengths.begin(), lengths.end(), 0);
  return std::max((all + 1) / 2, *std::max_element(lengths.begin(), lengths.end()));
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const int unit = argc > 1 ? std::stoi(argv[1]) : 20;
  pp::options options;
  if (argc > 2) options.job.node = argv[2];
  options.local = argc > 2 ? 0 : 2;
  options.discovery = argc > 2;
  pp::client client(options);
  client.wait_for_nodes(1, 10s);
  for (auto& first : {client.submit(rest, 10), client.submit(rest, 10)}) first.wait();  // the workers have started

  const auto start = std::chrono::steady_clock::now();
  std::vector<pp::future<int>> jobs;
  for (const int length : lengths) jobs.push_back(client.submit(rest, length * unit));
  int sum = 0;
  for (auto& job : jobs) sum += job.get();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const double best = best_of_two() * unit;
  std::cout << jobs.size() << " jobs, " << sum << " ms of work, took " << took.count() << " ms; the best possible is "
            << best << " ms; ratio " << took.count() / best << '\n';
  return 0;
} catch (const std::exception& e) {
  std::cerr << "skewed_jobs: " << e.what() << '\n';
  return 1;
}
