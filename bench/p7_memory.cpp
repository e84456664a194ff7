// P7: what a queued job takes in the client while nothing drains: 100,000 and a million of them, and how long the million takes.
#include <unistd.h>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

std::uint64_t plus_one(std::uint64_t n) { return n + 1; }

// In a process of its own: memory that was used before would hide some. The futures are counted, because a caller holds them.
int queue_jobs(int, char** argv) {
  const std::size_t count = std::strtoull(argv[2], nullptr, 10);
  pp::options options;
  options.local = 0;
  options.nodes = {"127.0.0.1:1"};  // nobody is there
  options.no_nodes_timeout = std::chrono::milliseconds(0);
  options.max_pending_bytes = std::size_t{4} << 30U;
  pp::client client(options);
  std::vector<pp::future<std::uint64_t>> futures;
  const std::size_t before = memory_of(getpid(), "VmRSS");
  const auto start = steady::now();
  for (std::size_t i = 0; i < count; ++i) futures.push_back(client.submit(plus_one, i));
  const double seconds = seconds_since(start);
  while (client.stats().queued < count) usleep(1000);  // the I/O thread has taken them all
  const std::size_t after = memory_of(getpid(), "VmRSS");
  std::printf("%f %f\n", static_cast<double>(after - before) / static_cast<double>(count), seconds);
  std::fflush(stdout);
  client.close();
  return 0;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  for (const std::size_t count : {o.pick(100'000, 1'000), o.pick(1'000'000, 5'000)}) {
    const bool has_goal = count <= 100'000;
    const std::string name = std::to_string(count) + " queued jobs";
    row& bytes = out.add(
        {has_goal ? "P7" : "", name, "B/job", better::less, "", {}, has_goal ? std::optional(200.0) : std::nullopt});
    row& nanoseconds = out.add({"", name + ": submit", "ns/job"});
    for (int i = 0; i < o.rounds; ++i) {
      background_program program({"/proc/self/exe", "--queue", std::to_string(count)}, 1);
      double of_job = 0, seconds = 0;
      require(std::sscanf(program.read_line().c_str(), "%lf %lf", &of_job, &seconds) == 2, "no figures came");
      bytes.ours.push_back(of_job);
      nanoseconds.ours.push_back(seconds * 1e9 / static_cast<double>(count));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p7_memory", argc, argv, measure, {{"--queue", queue_jobs}});
}
