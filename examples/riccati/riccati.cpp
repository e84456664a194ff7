// Optimal control for many systems at once: Riccati equations of two sizes, each solved by a job.
//
// Usage: riccati [SMALL [LARGE]]. Solves SMALL (default 2000) systems of 4 states with client.map, and LARGE (default 4) systems of
// 200 states with a job each. Exit status 1 if a solution does not fulfil its equation.
#include <algorithm>
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <pp/pp.hpp>

#include "solver.hpp"

namespace {

constexpr double tolerance = 1e-8;

double residual_of_small(unsigned number) { return solve(make_system(4, number)).residual; }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The worst residual.
double solve_small(pp::client& client, unsigned count) {
  std::vector<unsigned> numbers(count);
  for (unsigned i = 0; i < count; ++i) numbers[i] = i;
  const auto start = std::chrono::steady_clock::now();
  const auto residuals = client.map(residual_of_small, numbers);
  const double worst = residuals.empty() ? 0 : *std::max_element(residuals.begin(), residuals.end());
  std::cout << count << " systems of 4 states: worst residual " << worst << ", " << seconds_since(start) << " s\n";
  return worst;
}

double solve_large(pp::client& client, unsigned count) {
  std::vector<pp::future<solution>> jobs;
  for (unsigned i = 0; i < count; ++i) jobs.push_back(client.submit(solve, make_system(200, i)));
  double worst = 0;
  for (auto& job : jobs) {
    const auto found = job.get();
    worst = std::max(worst, found.residual);
    std::cout << "200 states: residual " << found.residual << " after " << found.iterations << " iterations\n";
  }
  return worst;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const auto small = argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 2000;
  const auto large = argc > 2 ? static_cast<unsigned>(std::stoul(argv[2])) : 4;
  pp::client client;
  const double worst = std::max(solve_small(client, small), solve_large(client, large));
  return worst < tolerance ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "riccati: " << e.what() << '\n';
  return 1;
}
