// The same workloads on every job server that is installed here and on pp, in turn: who is ahead, and by how much.
//
// pp has TLS, authentication and worker processes on; the others send clear text and ask nobody who he is. A peer that cannot do a
// workload has no figure there.
#include "bench/flight.hpp"
#include "bench/peers.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"
#include "bench/workloads.hpp"

namespace {

using namespace bench;
using block = std::vector<std::uint8_t>;

std::uint64_t plus_one(std::uint64_t n) { return n + 1; }
block same(block b) { return b; }
double burn_job(double seconds) {
  burn(seconds);
  return seconds;
}

double trip(pp::client& client, std::size_t count) {
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    require(client.submit(plus_one, i).get() == i + 1, "a job gave a wrong result");
    micros.push_back(micros_since(start));
  }
  return median(micros);
}

double rate(pp::client& client, std::size_t count) {
  std::vector<pp::future<std::uint64_t>> futures;
  const auto start = steady::now();
  for (std::size_t i = 0; i < count; ++i) futures.push_back(client.submit(plus_one, i));
  for (std::size_t i = 0; i < count; ++i) require(futures[i].get() == i + 1, "a job gave a wrong result");
  return static_cast<double>(count) / seconds_since(start);
}

double echo(pp::client& client, std::size_t bytes, std::size_t count) {
  const block b(bytes, 'x');
  const auto start = steady::now();
  keep_in_flight(
      count, bytes > (8U << 20U) ? 1 : 16, [&](std::size_t) { return client.submit(same, b); },
      [&](auto& future) { require(future.get().size() == bytes, "a job lost bytes"); });
  return static_cast<double>(bytes * count) / seconds_since(start) / 1e6;
}

double makespan(pp::client& client, const std::vector<double>& lengths) {
  std::vector<pp::future<double>> futures;
  const auto start = steady::now();
  for (const double seconds : lengths) futures.push_back(client.submit(burn_job, seconds));
  for (auto& future : futures) future.get();
  return seconds_since(start);
}

struct workload {
  const char* name;
  const char* unit;
  better direction;
  std::string question;
  double (*ours)(pp::client&, const run_options&);
};

std::vector<workload> workloads(const run_options& o) {
  const auto n = [](std::size_t number) { return std::to_string(number); };
  const auto mib = std::size_t{1} << 20U;
  return {
      {"round trip", "us", better::less, "trips " + n(o.pick(1000, 10)),
       [](pp::client& c, const run_options& r) { return trip(c, r.pick(1000, 10)); }},
      {"x -> x+1, one by one", "1/s", better::more, "rate " + n(o.pick(100'000, 1000)),
       [](pp::client& c, const run_options& r) { return rate(c, r.pick(100'000, 1000)); }},
      {"echo of 1 MiB", "MB/s", better::more, "echo " + n(mib) + " " + n(o.pick(100, 2)),
       [](pp::client& c, const run_options& r) { return echo(c, std::size_t{1} << 20U, r.pick(100, 2)); }},
      {"400 x 5 ms", "s", better::less, "burn " + n(o.pick(400, 4)) + " 0.005",
       [](pp::client& c, const run_options& r) { return makespan(c, std::vector<double>(r.pick(400, 4), 0.005)); }},
      {"200 of 2 and 50 ms", "s", better::less, "mixed " + n(o.pick(200, 4)),
       [](pp::client& c, const run_options& r) { return makespan(c, mixed_lengths(r.pick(200, 4))); }},
  };
}

// A negative number: that peer cannot.
double figure_of(background_program& program, const std::string& question) {
  program.write_line(question);
  const auto answer = program.read_line();
  if (answer == "cannot") return -1;
  require(!answer.empty() && std::isdigit(static_cast<unsigned char>(answer[0])), answer.c_str());
  return std::stod(answer);
}

void run_round(pp::client& client, const run_options& o, const std::vector<workload>& all, background_program& program,
               std::vector<row*>& rows) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double other = figure_of(program, all[i].question);
    if (other >= 0) rows[i]->add(all[i].ours(client, o), other);
  }
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const node n;
  pp::client client(only(n));
  wait_until_ready(client);
  trip(client, 50);
  const auto all = workloads(o);
  for (const auto& p : installed_peers()) {
    std::vector<row*> rows;
    for (const auto& w : all) rows.push_back(&out.add(row{"", w.name, w.unit, w.direction, p.name}));
    const auto program = start_peer(p.name);
    for (int i = 0; i < o.rounds; ++i) {
      tell_round(i + 1, o.rounds);
      run_round(client, o, all, *program, rows);
    }
  }
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("all_peers", argc, argv, measure); }
