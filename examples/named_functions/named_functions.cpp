// Functions that clients without this program call by name.
//
// Usage: named_functions. Offers them until it is ended (Ctrl-C).
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include <pp/pp.hpp>
#include <pp/publish.hpp>

namespace {

bool is_even(int n) { return n % 2 == 0; }

/// What a method is called on: each worker has a copy.
class calculator {
 public:
  double multiply(double a, double b) const { return a * b; }
};

/// Start tags of an XML file: '<' and what can begin a name. -1 if it cannot be read.
int count_elements(const std::string& path) {
  std::ifstream file(path);
  if (!file) return -1;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  int count = 0;
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    if (text.compare(at, 4, "<!--") == 0) at = std::min(text.find("-->", at), text.size() - 1);
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    if (next == '_' || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z')) ++count;
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::publish("is_even", is_even, "whether a number is even");
  pp::publish("calculator.multiply", &calculator::multiply, calculator(), "the product of two numbers");
  pp::publish("count_elements", count_elements,
              "elements of the XML file at this path on the node; -1 if there is none");
  pp::init(argc, argv);

  sigset_t ends;  // before the client's threads are there, so that they do not take them
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  pp::client client;
  client.offer();
  std::cout << "is_even, calculator.multiply and count_elements can be called" << std::endl;
  int ended_by = 0;
  sigwait(&ends, &ended_by);
  return 0;
} catch (const std::exception& e) {
  std::cerr << "named_functions: " << e.what() << '\n';
  return 1;
}
