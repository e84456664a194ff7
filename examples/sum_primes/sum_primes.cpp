// Parallel Python's first example: the sum of all primes below each of several limits, one job a limit.
//
// Usage: sum_primes [LIMIT…]. The default limits are those of the original, 100000 to 100700.
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <pp/pp.hpp>

namespace {

bool is_prime(std::uint64_t n) {
  if (n < 2) return false;
  for (std::uint64_t i = 2; i * i <= n; ++i) {
    if (n % i == 0) return false;
  }
  return true;
}

std::uint64_t sum_primes(std::uint64_t limit) {
  std::uint64_t sum = 0;
  for (std::uint64_t n = 2; n < limit; ++n) sum += is_prime(n) ? n : 0;
  return sum;
}

std::vector<std::uint64_t> limits_from(int argc, char** argv) {
  if (argc < 2) return {100000, 100100, 100200, 100300, 100400, 100500, 100600, 100700};
  std::vector<std::uint64_t> limits;
  for (int i = 1; i < argc; ++i) limits.push_back(std::stoull(argv[i]));
  return limits;
}

void print_nodes(const pp::client& client) {
  for (const auto& node : client.nodes()) {
    std::cout << "node " << node.name << ": " << node.jobs_done << " jobs, " << node.slots << " workers\n";
  }
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const auto limits = limits_from(argc, argv);
  const auto start = std::chrono::steady_clock::now();

  pp::client client;
  std::vector<std::pair<std::uint64_t, pp::future<std::uint64_t>>> sums;
  for (const auto limit : limits) sums.emplace_back(limit, client.submit(sum_primes, limit));
  for (auto& [limit, sum] : sums) std::cout << "Sum of primes below " << limit << " is " << sum.get() << '\n';

  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  print_nodes(client);
  std::cout << "Time elapsed: " << took.count() << " s\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << "sum_primes: " << e.what() << '\n';
  return 1;
}
