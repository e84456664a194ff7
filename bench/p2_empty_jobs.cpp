// P2: empty jobs submitted one by one with a future each, all gathered; by one, two and four threads; against ZeroMQ with credit.
#include <numeric>
#include <thread>

#include "bench/peers.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

void nothing() {}
std::uint64_t plus_one(std::uint64_t n) { return n + 1; }

void submit_and_gather(pp::client& client, std::size_t count) {
  std::vector<pp::future<void>> futures;
  futures.reserve(count);
  for (std::size_t i = 0; i < count; ++i) futures.push_back(client.submit(nothing));
  for (auto& future : futures) future.get();
}

double rate_of_threads(pp::client& client, std::size_t count, std::size_t threads) {
  const auto start = steady::now();
  std::vector<std::thread> submitters;
  for (std::size_t i = 1; i < threads; ++i)
    submitters.emplace_back([&client, share = count / threads] { submit_and_gather(client, share); });
  submit_and_gather(client, count / threads);
  for (auto& t : submitters) t.join();
  return static_cast<double>(count) / seconds_since(start);
}

double rate_of_calls(pp::client& client, std::size_t count) {
  std::vector<pp::future<std::uint64_t>> futures;
  futures.reserve(count);
  const auto start = steady::now();
  for (std::size_t i = 0; i < count; ++i) futures.push_back(client.submit(plus_one, i));
  std::uint64_t sum = 0;
  for (auto& future : futures) sum += future.get();
  const double rate = static_cast<double>(count) / seconds_since(start);
  require(sum == count * (count + 1) / 2, "a job gave a wrong result");
  return rate;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const auto zmq = start_peer("ZeroMQ, credit 200");
  const node n;
  pp::client client(only(n));
  wait_until_ready(client);
  const std::size_t count = o.pick(400'000, 2'000), of_zmq = o.pick(200'000, 2'000);
  row& empty = out.add({"P2", "empty jobs, 1 thread", "1/s", better::more, "ZeroMQ, credit 200", 5.0, 1.2e6});
  row& two = out.add({"", "empty jobs, 2 threads", "1/s", better::more, "1 thread"});
  row& four = out.add({"", "empty jobs, 4 threads", "1/s", better::more, "1 thread"});
  row& calls = out.add({"", "x -> x+1, 1 thread", "1/s", better::more, "ZeroMQ, credit 200"});
  for (int i = -1; i < o.rounds; ++i) {
    if (i >= 0) tell_round(i + 1, o.rounds);
    const double one = rate_of_threads(client, count, 1);
    const double both = rate_of_threads(client, count, 2), many = rate_of_threads(client, count, 4);
    const double with_values = rate_of_calls(client, count);
    const double peer = zmq ? zmq->ask("rate " + std::to_string(of_zmq))[0] : 0;
    if (i < 0) continue;  // the first round warms up
    two.add(both, one);
    four.add(many, one);
    empty.ours.push_back(one);
    calls.ours.push_back(with_values);
    if (!zmq) continue;
    empty.others.push_back(peer);
    calls.others.push_back(peer);
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("p2_empty_jobs", argc, argv, measure); }
