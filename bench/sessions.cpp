// A thousand clients on one node: memory per session in the node, and whether each of them gets its job done.
#include <sys/resource.h>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

std::uint64_t plus_one(std::uint64_t n) { return n + 1; }

// Each client has descriptors of its own on both sides.
void allow_many_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A node lets 200 strangers in at once and 100 a second, so clients that come together wait for their turn.
void add_client(std::vector<std::unique_ptr<pp::client>>& all, const node& n) {
  all.push_back(std::make_unique<pp::client>(only(n)));
  wait_until_ready(*all.back());
}

void measure(const run_options& o, report& out) {
  allow_many_descriptors();
  const private_world world;
  const node n;
  const std::size_t count = o.pick(1000, 10);
  row& memory = out.add({"", std::to_string(count) + " sessions: memory of the node", "B each"});
  row& logins = out.add({"", std::to_string(count) + " sessions: logins, one by one", "1/s"});
  row& jobs = out.add({"", std::to_string(count) + " sessions: a job of each", "s"});
  std::vector<std::unique_ptr<pp::client>> clients;
  add_client(clients, n);
  require(clients[0]->submit(plus_one, 1).get() == 2, "a job gave a wrong result");
  const std::size_t before = memory_of(n.pid(), "VmRSS");
  const auto start = steady::now();
  while (clients.size() < count) add_client(clients, n);
  logins.ours.push_back(static_cast<double>(count) / seconds_since(start));
  const auto asked = steady::now();
  std::vector<pp::future<std::uint64_t>> futures;
  for (std::size_t i = 0; i < count; ++i) futures.push_back(clients[i]->submit(plus_one, i));
  for (std::size_t i = 0; i < count; ++i) require(futures[i].get() == i + 1, "a session gave a wrong result");
  jobs.ours.push_back(seconds_since(asked));
  memory.ours.push_back(static_cast<double>(memory_of(n.pid(), "VmRSS") - before) / static_cast<double>(count - 1));
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("sessions", argc, argv, measure); }
