// The scenario of Node's async library: an ordered map, a filter, different jobs in parallel, and an error that is told once.
//
// Usage: async_functions. Prints what each of them gives.
#include <unistd.h>

#include <exception>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <pp/pp.hpp>

namespace {

int square(int n) { return n * n; }
bool is_odd(int n) { return n % 2 == 1; }
std::string greeting(const std::string& name) { return "Hello, " + name; }
double half(int n) { return n / 2.0; }
int add(int a, int b) { return a + b; }
int fail() { throw std::runtime_error("the disk is full"); }
int wait_for_ever() {
  for (;;) pause();
}

template <class T>
void print(const char* what, const std::vector<T>& values) {
  std::cout << what << ':';
  for (const auto& v : values) std::cout << ' ' << v;
  std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  std::vector<int> numbers(10);
  std::iota(numbers.begin(), numbers.end(), 0);
  pp::client client;

  print("map", client.map(square, numbers));
  print("filter", client.filter(is_odd, numbers));
  std::cout << "reduce: " << client.reduce(add, numbers, 0) << '\n';
  const auto [text, number] = client.parallel(pp::call(greeting, std::string("Node")), pp::call(half, 7));
  std::cout << "parallel: " << text << ", " << number << '\n';
  try {
    client.parallel(fail, wait_for_ever);  // the second would never end: it is cancelled
  } catch (const pp::job_error& e) {
    std::cout << "error: " << e.message() << '\n';
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "async_functions: " << e.what() << '\n';
  return 1;
}
