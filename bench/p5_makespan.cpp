// P5: how much longer two workers take for a known amount of computing than two workers that never wait would.
//
// A job's length is CPU time of its thread, so that what client and node take away from the two cores shows. Beside it: two bare
// processes without any server (the machine's own noise), ZeroMQ and Pool.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "bench/peers.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"
#include "bench/workloads.hpp"

namespace {

using namespace bench;

std::uint64_t burn_job(std::uint64_t id, double seconds) {
  burn(seconds);
  return id;
}

double makespan(pp::client& client, const std::vector<double>& lengths) {
  std::vector<pp::future<std::uint64_t>> futures;
  const auto start = steady::now();
  for (std::size_t i = 0; i < lengths.size(); ++i) futures.push_back(client.submit(burn_job, i, lengths[i]));
  for (std::size_t i = 0; i < futures.size(); ++i) require(futures[i].get() == i, "a job gave another job's result");
  return seconds_since(start);
}

// Two processes that take the next length off a counter they share. Forks: its caller has no other thread.
double bare_makespan(const std::vector<double>& lengths) {
  void* page =
      mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* next = new (page) std::atomic<std::size_t>(0);
  const auto start = steady::now();
  pid_t workers[2];
  for (auto& worker : workers) {
    worker = fork();
    if (worker != 0) continue;
    for (std::size_t i = (*next)++; i < lengths.size(); i = (*next)++) burn(lengths[i]);
    _exit(0);
  }
  for (const auto worker : workers) waitpid(worker, nullptr, 0);
  munmap(page, sizeof(std::atomic<std::size_t>));
  return seconds_since(start);
}

int serve_bare(int, char**) {
  char line[128];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    std::size_t count = 0;
    double seconds = 0;
    const int words = std::sscanf(line, "%*s %zu %lf", &count, &seconds);
    std::printf("%f\n", bare_makespan(words == 2 ? std::vector<double>(count, seconds) : mixed_lengths(count)));
    std::fflush(stdout);
  }
  return 0;
}

struct other {
  std::string name;
  std::unique_ptr<background_program> program;
};

// One kind of work: ours against the bound, and everybody else's time for information.
class contest {
 public:
  contest(report& out, std::string name, std::vector<double> lengths, std::string question,
          const std::vector<other>& others)
      : lengths_(std::move(lengths)), question_(std::move(question)), others_(others) {
    ours_ = &out.add({"P5", name, "s", better::less, "the bound", 1.03});
    for (const auto& o : others) rows_.push_back(&out.add({"", name + ", " + o.name, "s", better::less, "the bound"}));
  }
  void round(pp::client& client) {
    const double bound = bound_of(lengths_);
    ours_->add(makespan(client, lengths_), bound);
    for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i]->add(others_[i].program->ask(question_)[0], bound);
  }

 private:
  std::vector<double> lengths_;
  std::string question_;
  const std::vector<other>& others_;
  row* ours_;
  std::vector<row*> rows_;
};

void measure(const run_options& o, report& out) {
  const private_world world;
  std::vector<other> others;
  others.push_back({"no server at all",
                    std::make_unique<background_program>(std::vector<std::string>{"/proc/self/exe", "--bare"}, 1)});
  for (const char* name : {"ZeroMQ, credit 1", "ZeroMQ, credit 200", "Pool"}) {
    if (auto program = start_peer(name)) others.push_back({name, std::move(program)});
  }
  const node n;
  pp::client client(only(n));
  wait_until_ready(client);
  makespan(client, std::vector<double>(20, 0.001));
  const std::size_t equal = o.pick(400, 4), mixed = o.pick(200, 4);
  contest same(out, std::to_string(equal) + " x 5 ms", std::vector<double>(equal, 0.005),
               "burn " + std::to_string(equal) + " 0.005", others);
  contest varied(out, std::to_string(mixed) + " of 2 and 50 ms", mixed_lengths(mixed), "mixed " + std::to_string(mixed),
                 others);
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    same.round(client);
    varied.round(client);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p5_makespan", argc, argv, measure, {{"--bare", serve_bare}});
}
