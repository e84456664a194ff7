// P3: x -> x+1 over five million integers by client.map, against Python's multiprocessing.Pool.map.
#include <numeric>

#include "bench/peers.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"

#if __has_include(<pp/detail/map.hpp>)
#define PP_HAS_MAP 1
#endif

namespace {

using namespace bench;

std::uint64_t plus_one(std::uint64_t n) { return n + 1; }

std::vector<std::uint64_t> mapped(pp::client& client, const std::vector<std::uint64_t>& items) {
#ifdef PP_HAS_MAP
  return client.map(plus_one, items);
#else
  // Until the library has map: one job per item, which is another class of speed.
  std::vector<pp::future<std::uint64_t>> futures;
  futures.reserve(items.size());
  for (const auto n : items) futures.push_back(client.submit(plus_one, n));
  std::vector<std::uint64_t> out;
  out.reserve(items.size());
  for (auto& future : futures) out.push_back(future.get());
  return out;
#endif
}

double rate(pp::client& client, const std::vector<std::uint64_t>& items) {
  const auto start = steady::now();
  const auto results = mapped(client, items);
  const double per_second = static_cast<double>(items.size()) / seconds_since(start);
  require(results.size() == items.size(), "map lost results");
  for (std::size_t i = 0; i < items.size(); ++i) require(results[i] == items[i] + 1, "map gave a wrong result");
  return per_second;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const auto pool = start_pool();
  const node n;
  pp::client remote(only(n)), local(only_local(2));
  wait_until_ready(remote);
  wait_until_ready(local);
  std::vector<std::uint64_t> items(o.pick(5'000'000, 5'000));
  std::iota(items.begin(), items.end(), 0);
  row& through_node = out.add({"P3", "map of x -> x+1", "items/s", better::more, "Pool.map", 2.5});
  row& by_local = out.add({"", "map, local workers", "items/s", better::more, "Pool.map"});
  rate(remote, items);
  rate(local, items);
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    through_node.ours.push_back(rate(remote, items));
    by_local.ours.push_back(rate(local, items));
    if (!pool) continue;
    const double of_pool = pool->ask("map " + std::to_string(items.size()))[0];
    through_node.others.push_back(of_pool);
    by_local.others.push_back(of_pool);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("p3_map", argc, argv, measure); }
