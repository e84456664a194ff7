// P1: the round trip of an empty job, one at a time: client to node to worker and back, against a raw TLS ping-pong; and by a
// local worker, against a ping-pong over a socket pair.
#include <cstdlib>

#include "bench/ping_pong.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

void nothing() {}

std::vector<double> round_trips(pp::client& client, std::size_t count) {
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    client.submit(nothing).get();
    micros.push_back(micros_since(start));
  }
  return micros;
}

// PP_SPIN is read when a client is made.
std::unique_ptr<pp::client> made(const pp::options& options, const char* spin) {
  spin != nullptr ? setenv("PP_SPIN", spin, 1) : unsetenv("PP_SPIN");
  auto client = std::make_unique<pp::client>(options);
  unsetenv("PP_SPIN");
  wait_until_ready(*client);
  round_trips(*client, 50);
  return client;
}

struct rows {
  explicit rows(report& out)
      : spinning(out.add({"P1", "round trip, median", "us", better::less, "raw blocking TLS", 0.6})),
        sleeping(out.add({"P1", "round trip without spinning, median", "us", better::less, "raw blocking TLS", 1.6})),
        tail(out.add({"P1", "round trip, 99 %", "us", better::less, "raw TLS, median", 4.0})),
        local(out.add({"P1", "round trip, local worker, median", "us", better::less, "socket pair", 1.0})),
        sleeping_tail(out.add({"", "round trip without spinning, 99 %", "us", better::less, "raw TLS, 99 %"})),
        unplaced(out.add({"", "raw TLS on two cores, median", "us", better::less, "raw TLS, any core"})),
        unplaced_pair(out.add({"", "socket pair on two cores, median", "us", better::less, "socket pair, any core"})) {}
  row &spinning, &sleeping, &tail, &local, &sleeping_tail, &unplaced, &unplaced_pair;
};

void measure(const run_options& o, report& out) {
  const private_world world;
  pair_ping pair;
  background_program tls_server({"/proc/self/exe", "--tls-ping"}, 1);
  tls_ping raw(static_cast<std::uint16_t>(std::stoi(tls_server.read_line())), tls_server.pid());
  const node spinning, sleeping(environment{{"PP_SPIN", "0"}});
  const auto client = made(only(spinning), nullptr), quiet = made(only(sleeping), "0");
  const auto local = made(only_local(2), nullptr);
  rows r(out);
  const std::size_t trips = o.pick(3000, 20);
  raw.round_trips(trips, placement::two_cores);
  pair.round_trips(trips, placement::two_cores);
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    const auto tls = raw.round_trips(trips, placement::two_cores), ours = round_trips(*client, trips),
               slow = round_trips(*quiet, trips);
    r.spinning.add(median(ours), median(tls));
    r.tail.add(percentile(ours, 0.99), median(tls));
    r.sleeping.add(median(slow), median(tls));
    r.sleeping_tail.add(percentile(slow, 0.99), percentile(tls, 0.99));
    r.unplaced.add(median(tls), median(raw.round_trips(trips, placement::as_it_likes)));
    const auto socket_pair = pair.round_trips(trips, placement::two_cores);
    r.local.add(median(round_trips(*local, trips)), median(socket_pair));
    r.unplaced_pair.add(median(socket_pair), median(pair.round_trips(trips, placement::as_it_likes)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p1_round_trip", argc, argv, measure, {{"--tls-ping", bench::serve_tls_ping}});
}
