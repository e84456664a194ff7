// Parallel Python's fifth example: the same jobs with 1, 2, 4, … workers, and how long that takes.
//
// Usage: dynamic_workers [JOBS [ITEMS [MOST]]]. Each of JOBS (default 16) jobs adds ITEMS (default 20000000) numbers; the workers
// of this machine go from 1 to MOST (default: one for each CPU), doubling each time.
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <pp/pp.hpp>

namespace {

double part_of_series(std::uint64_t first, std::uint64_t end) {
  double sum = 0;
  for (std::uint64_t i = first; i < end; ++i) {
    const double term = 1.0 / static_cast<double>(2 * i + 1);
    sum += i % 2 == 0 ? term : -term;
  }
  return sum;
}

/// Pi, from as many jobs, on that many workers.
double sum_with(int workers, std::uint64_t jobs, std::uint64_t items) {
  pp::options options;
  options.local = workers;
  options.discovery = false;
  pp::client client(options);
  std::vector<pp::future<double>> parts;
  for (std::uint64_t i = 0; i < jobs; ++i) {
    parts.push_back(client.submit(part_of_series, i * items, (i + 1) * items));
  }
  double sum = 0;
  for (auto& part : parts) sum += part.get();
  return 4 * sum;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const auto jobs = argc > 1 ? std::stoull(argv[1]) : 16;
  const auto items = argc > 2 ? std::stoull(argv[2]) : 20'000'000;
  const int most = argc > 3 ? std::stoi(argv[3]) : static_cast<int>(std::thread::hardware_concurrency());
  for (int workers = 1; workers <= most; workers *= 2) {
    const auto start = std::chrono::steady_clock::now();
    const double pi = sum_with(workers, jobs, items);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cout << workers << " workers: pi = " << pi << ", " << took.count() << " s\n";
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "dynamic_workers: " << e.what() << '\n';
  return 1;
}
