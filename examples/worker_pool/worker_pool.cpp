// The scenario of an Erlang pool of port workers: one particular worker for one caller, who waits in a queue if there is none;
// and what becomes of the pool when workers are killed.
//
// Usage: worker_pool [WORKERS]. The workers are of this machine, so that they can be killed from here.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include <pp/pp.hpp>

namespace {

using namespace std::chrono_literals;

struct counter {
  int calls = 0;
};

/// What a port worker keeps between calls lives in pp::worker_state.
int count_call() { return ++pp::worker_state<counter>().calls; }

int kill_oneself() { return kill(getpid(), SIGKILL); }

/// How many workers can be checked out at once, by their processes.
std::size_t count_workers(pp::client& client, int workers) {
  std::vector<pp::checked_out> all;
  std::set<int> pids;
  for (int i = 0; i < workers; ++i) all.push_back(client.checkout(10s));
  for (auto& one : all) pids.insert(one.pid());
  return pids.size();
}

void wait_in_the_queue(pp::client& client, int workers) {
  std::vector<pp::checked_out> all;
  for (int i = 0; i < workers; ++i) all.push_back(client.checkout(10s));
  try {
    client.checkout(100ms);
  } catch (const pp::error& e) {
    std::cout << "no worker: " << e.what() << '\n';
  }
}

void kill_one_that_is_checked_out(pp::client& client) {
  auto worker = client.checkout(10s);
  for (int i = 0; i < 3; ++i) worker.submit(count_call).wait();
  std::cout << "call number " << worker.submit(count_call).get() << " in the same process\n";
  auto last = worker.submit(kill_oneself);
  auto next = worker.submit(count_call);
  try {
    last.get();
  } catch (const pp::error& e) {
    std::cout << "its caller: " << e.what() << '\n';
  }
  try {
    next.get();
  } catch (const pp::error&) {
    std::cout << "the call behind it: failed too, and ran nowhere else\n";
  }
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const int workers = argc > 1 ? std::stoi(argv[1]) : 3;
  pp::options o;
  o.local = workers;
  o.discovery = false;
  pp::client client(o);

  std::cout << "pool of " << count_workers(client, workers) << '\n';
  wait_in_the_queue(client, workers);
  kill_one_that_is_checked_out(client);
  std::cout << "pool of " << count_workers(client, workers) << " after a checked-out worker was killed\n";
  const int idle = client.checkout(10s).pid();
  kill(idle, SIGKILL);
  std::cout << "pool of " << count_workers(client, workers) << " after an idle worker was killed\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << "worker_pool: " << e.what() << '\n';
  return 1;
}
