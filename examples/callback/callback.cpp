// Parallel Python's third example: the sum 1 - 1/2 + 1/3 - 1/4 + … is put together by callbacks, as its parts come in.
//
// Usage: callback [TERMS [PARTS]]. TERMS (default 20000000) terms in PARTS (default 100) jobs; the sum goes to ln 2.
#include <cstdint>
#include <exception>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <string>

#include <pp/pp.hpp>

namespace {

double part_sum(std::uint64_t first, std::uint64_t end) {
  double sum = 0;
  for (std::uint64_t n = first; n < end; ++n) sum += (n % 2 == 1 ? 1.0 : -1.0) / static_cast<double>(n);
  return sum;
}

/// Callbacks run one at a time, but the main program reads the sum meanwhile, hence the lock.
class running_sum {
 public:
  void add(double value) {
    const std::lock_guard hold(lock_);
    value_ += value;
  }
  double value() const {
    const std::lock_guard hold(lock_);
    return value_;
  }

 private:
  mutable std::mutex lock_;
  double value_ = 0;
};

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const std::uint64_t terms = argc > 1 ? std::stoull(argv[1]) : 20'000'000;
  const std::uint64_t parts = argc > 2 ? std::stoull(argv[2]) : 100;
  running_sum sum;
  pp::client client;
  for (std::uint64_t i = 0; i < parts; ++i) {
    client.submit(part_sum, 1 + terms * i / parts, 1 + terms * (i + 1) / parts).then([&](pp::future<double> done) {
      sum.add(done.get());
    });
  }
  client.wait();  // for the jobs and for their callbacks
  std::cout << "sum of " << terms << " terms: " << std::setprecision(10) << sum.value() << '\n';
  client.print_stats();
  return client.stats().callback_errors == 0 ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "callback: " << e.what() << '\n';
  return 1;
}
