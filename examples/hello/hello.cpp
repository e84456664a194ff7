// The smallest pp program: each job says where it runs.
//
// Usage: hello [JOBS]. Without any node the jobs run in worker processes of this machine.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <pp/pp.hpp>

namespace {

std::string greet(const std::string& whom) {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  return "Hello, " + whom + ", from process " + std::to_string(getpid()) + " on " + host;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const int count = argc > 1 ? std::atoi(argv[1]) : 4;

  pp::client client;
  std::vector<pp::future<std::string>> greetings;
  for (int i = 1; i <= count; ++i) greetings.push_back(client.submit(greet, "job " + std::to_string(i)));
  for (auto& greeting : greetings) {
    const std::string node = greeting.node();
    std::cout << greeting.get() << " (node " << node << ")\n";
  }
  return 0;
} catch (const std::exception& e) {
  std::cerr << "hello: " << e.what() << '\n';
  return 1;
}
