// One argument of 1 GiB, and one result: they arrive whole, and memory stays within a few times their size in every process.
#include <unistd.h>

#include <numeric>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;
using block = std::vector<std::uint8_t>;

struct summary {
  std::uint64_t sum = 0;
  std::uint64_t worker_peak = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(sum, worker_peak);
  }
};

std::uint64_t sum_of(const block& b) { return std::accumulate(b.begin(), b.end(), std::uint64_t{0}); }

summary sum_it(const block& b) { return {sum_of(b), memory_of(getpid(), "VmHWM")}; }

block make_it(std::uint64_t size) {
  block b(size);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::uint8_t>(i >> 12U);
  return b;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const std::size_t size = o.pick(std::size_t{1} << 30U, std::size_t{4} << 20U);
  const node n;
  pp::client client(only(n));
  wait_until_ready(client);
  const block argument = make_it(size);
  const double own = static_cast<double>(memory_of(getpid(), "VmRSS")), bytes = static_cast<double>(size);
  row& there = out.add({"", "argument of 1 GiB", "MB/s", better::more});
  auto start = steady::now();
  const auto got = client.submit(sum_it, argument).get();
  there.ours.push_back(bytes / seconds_since(start) / 1e6);
  require(got.sum == sum_of(argument), "the argument arrived changed");
  row& back = out.add({"", "result of 1 GiB", "MB/s", better::more});
  start = steady::now();
  require(client.submit(make_it, size).get() == argument, "the result arrived changed");
  back.ours.push_back(bytes / seconds_since(start) / 1e6);
  const auto peak = [&](const char* who, double value) {
    out.add(row{"", std::string("peak memory of the ") + who + ", of its size", "x"}).ours = {value / bytes};
  };
  peak("client besides the argument", static_cast<double>(memory_of(getpid(), "VmHWM")) - own);
  peak("node", static_cast<double>(memory_of(n.pid(), "VmHWM")));
  peak("worker (argument)", static_cast<double>(got.worker_peak));
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("gigabyte", argc, argv, measure); }
