// Parallel Python's fourth example: derivatives without formulas. A class with operators is argument and result of the jobs.
//
// Usage: auto_diff [POINTS]. Evaluates a function and its derivative at POINTS (default 16) points from 0 to 2, a job each.
#include <cmath>
#include <exception>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include <pp/pp.hpp>

namespace {

/// A value together with its derivative by x; calculating with it calculates both.
struct dual {
  double value = 0;
  double derivative = 0;

  /// What makes it travel.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, derivative);
  }
};

dual operator+(dual a, dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
dual operator-(dual a, dual b) { return {a.value - b.value, a.derivative - b.derivative}; }
dual operator*(dual a, dual b) { return {a.value * b.value, a.derivative * b.value + a.value * b.derivative}; }
dual operator/(dual a, dual b) {
  return {a.value / b.value, (a.derivative * b.value - a.value * b.derivative) / (b.value * b.value)};
}
dual constant(double value) { return {value, 0}; }

/// 1 + x (2 + x (3 + …)) with 200 terms, divided by 1 + x².
dual rational(dual x) {
  dual sum = constant(200);
  for (int term = 199; term > 0; --term) sum = constant(term) + x * sum / constant(2);
  return sum / (constant(1) + x * x);
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const int points = argc > 1 ? std::stoi(argv[1]) : 16;
  pp::client client;
  std::vector<dual> at;
  for (int i = 0; i < points; ++i) at.push_back({2.0 * i / points, 1});
  const std::vector<dual> results = client.map(rational, at);

  std::cout << std::setprecision(10);
  for (int i = 0; i < points; ++i) {
    const auto& r = results[static_cast<std::size_t>(i)];
    std::cout << "t = " << at[static_cast<std::size_t>(i)].value << "   x = " << r.value << "   x' = " << r.derivative
              << '\n';
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "auto_diff: " << e.what() << '\n';
  return 1;
}
