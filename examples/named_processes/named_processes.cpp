// What multiprocessing shows first: four named jobs in four worker processes that one can see, named inputs, and all gone after.
//
// Usage: named_processes. Each job tells its name and its process; its number is made from its name alone, so that it is the same
// in every run. Exit status 1 if two of them shared a process, or if one of the processes is still there at the end.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pp/pp.hpp>

namespace {

struct answer {
  std::string name;
  int pid = 0;
  double number = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, pid, number);
  }
};

/// As long as the four of them run at once, each needs a process of its own.
answer work(const std::string& input) {
  std::seed_seq seed(input.begin(), input.end());
  std::mt19937_64 random(seed);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  return {pp::this_job::label(), getpid(), std::uniform_real_distribution<>()(random)};
}

bool is_alive(int pid) { return kill(pid, 0) == 0; }

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  std::set<int> pids;
  {
    pp::options options;
    options.local = 4;
    options.discovery = false;
    pp::client client(options);
    std::vector<pp::future<answer>> jobs;
    for (const char* name : {"alpha", "beta", "gamma", "delta"}) {
      jobs.push_back(client.submit({.label = name}, work, std::string("input of ") + name));
    }
    for (auto& job : jobs) {
      const auto a = job.get();
      std::cout << a.name << " in process " << a.pid << ": " << a.number << '\n';
      pids.insert(a.pid);
    }
  }
  std::size_t left = 0;
  for (const int pid : pids) left += is_alive(pid) ? 1 : 0;
  std::cout << pids.size() << " processes, " << left << " left\n";
  return pids.size() == 4 && left == 0 ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "named_processes: " << e.what() << '\n';
  return 1;
}
