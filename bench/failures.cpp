// What failing costs: from a crash to the next job's result, from cancel() to the freed slot, from a time limit to the error.
//
// Each beside the same machine's price of a worker: a process of this program started and ended, which nobody can save who gives
// the next job a fresh one.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;
using namespace std::chrono_literals;

int plus_one(int n) { return n + 1; }
int crash() {
  raise(SIGSEGV);
  return 0;
}
int hang() {
  for (;;) pause();
}

int leave_at_once(int, char**) { return 0; }

double process_micros() {
  const auto start = steady::now();
  const pid_t pid = fork();
  if (pid == 0) {
    execl("/proc/self/exe", "failures", "--leave", nullptr);
    _exit(127);
  }
  int status = 0;
  require(waitpid(pid, &status, 0) == pid && status == 0, "the process did not end well");
  return micros_since(start);
}

void expect_errc(const pp::future<int>& job, pp::errc code) {
  try {
    const_cast<pp::future<int>&>(job).get();
  } catch (const pp::error& e) {
    require(e.code() == code, e.what());
    return;
  }
  require(false, "a job that must fail did not");
}

double next_after_crash(pp::client& client) {
  expect_errc(client.submit({.attempts = 1}, crash), pp::errc::worker_crashed);
  const auto start = steady::now();
  require(client.submit(plus_one, 41).get() == 42, "a wrong result");
  return micros_since(start);
}

struct cancel_times {
  double error, next;
};
cancel_times cancel_running(pp::client& client) {
  const auto job = client.submit(hang);
  require(!job.wait_for(20ms), "a job that hangs ended");
  const auto start = steady::now();
  job.cancel();
  job.wait();
  const double error = micros_since(start);
  require(client.submit(plus_one, 41).get() == 42, "a wrong result");
  return {error, micros_since(start)};
}

double late_by(pp::client& client) {
  const auto limit = 50ms;
  const auto start = steady::now();
  expect_errc(client.submit({.timeout = limit}, hang), pp::errc::timed_out);
  return micros_since(start) - 1e3 * static_cast<double>(limit.count());
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const node n({}, 1);
  pp::client client(only(n));
  require(client.submit(plus_one, 41).get() == 42, "a wrong result");
  const std::string process = "a process started and ended";
  row& crashed = out.add({"", "crash to the next job's result, 1 worker", "us", better::less, process});
  row& cancelled = out.add({"", "cancel() of a running job to its error", "us", better::less, process});
  row& freed = out.add({"", "cancel() of a running job to the next one's result", "us", better::less, process});
  row& late = out.add({"", "time limit to its error, beyond the limit", "us", better::less, process});
  const std::size_t times = o.pick(20, 2);
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    std::vector<double> alone, next, error, slot, beyond;
    for (std::size_t k = 0; k < times; ++k) {
      alone.push_back(process_micros());
      next.push_back(next_after_crash(client));
      const auto c = cancel_running(client);
      error.push_back(c.error);
      slot.push_back(c.next);
      beyond.push_back(late_by(client));
    }
    const double price = median(alone);
    crashed.add(median(next), price);
    cancelled.add(median(error), price);
    freed.add(median(slot), price);
    late.add(median(beyond), price);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("failures", argc, argv, measure, {{"--leave", leave_at_once}});
}
