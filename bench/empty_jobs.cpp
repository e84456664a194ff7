// A client that does nothing but empty jobs, for tools that count: callgrind, strace, the allocation counter.
//
// Usage: empty_jobs ADDRESS COUNT WINDOW: submits WINDOW jobs, gathers them, until there were COUNT. Keyring and the rest come from
// the environment (bench/budget and tests/callgrind set it).
#include <cstdlib>
#include <iostream>

#include <pp/pp.hpp>

namespace {

void nothing() {}

void run(const std::string& address, std::size_t count, std::size_t window) {
  pp::options options;
  options.nodes = {address};
  options.local = 0;
  options.discovery = false;
  pp::client client(options);
  std::vector<pp::future<void>> futures;
  futures.reserve(window);
  for (std::size_t done = 0; done < count; done += window) {
    for (std::size_t i = 0; i < window; ++i) futures.push_back(client.submit(nothing));
    for (auto& future : futures) future.get();
    futures.clear();
  }
  client.close();
  std::cout << "done\n";
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);
  if (argc != 4) {
    std::cerr << "usage: empty_jobs ADDRESS COUNT WINDOW\n";
    return 64;
  }
  run(argv[1], std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  return 0;
} catch (const std::exception& e) {
  std::cerr << "empty_jobs: " << e.what() << '\n';
  return 1;
}
