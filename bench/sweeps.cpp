// Curves for the plots: jobs a second and round trip against the size of the payload, and jobs a second against jobs in flight.
#include <algorithm>

#include "bench/flight.hpp"
#include "bench/ping_pong.hpp"
#include "bench/raw_echo.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;
using block = std::vector<std::uint8_t>;

void nothing() {}
block same(block b) { return b; }

// About as many as fit 64 MiB, and not more than last a moment.
std::size_t count_for(std::size_t bytes, std::size_t most) {
  return std::clamp<std::size_t>((std::size_t{64} << 20U) / (bytes + 1), 8, most);
}

double trip(pp::client& client, const block& b, std::size_t count) {
  std::vector<double> micros;
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = steady::now();
    require(client.submit(same, b).get().size() == b.size(), "a job lost bytes");
    micros.push_back(micros_since(start));
  }
  return median(micros);
}

double rate(pp::client& client, const block& b, std::size_t count, std::size_t window) {
  const auto start = steady::now();
  std::size_t bytes = 0;
  keep_in_flight(
      count, window, [&](std::size_t) { return client.submit(same, b); },
      [&](auto& future) { bytes += future.get().size(); });
  require(bytes == b.size() * count, "a job lost bytes");
  return static_cast<double>(count) / seconds_since(start);
}

double empty_rate(pp::client& client, std::size_t count, std::size_t window) {
  const auto start = steady::now();
  keep_in_flight(
      count, window, [&](std::size_t) { return client.submit(nothing); }, [](auto& future) { future.get(); });
  return static_cast<double>(count) / seconds_since(start);
}

void add(curve& c, std::size_t x, double y) {
  c.x.push_back(static_cast<double>(x));
  c.y.push_back(y);
}

class sweep {
 public:
  sweep(const run_options& o, report& out, pp::client& remote, pp::client& local, std::uint16_t raw_port)
      : o_(o), out_(out), remote_(remote), local_(local), raw_port_(raw_port) {}

  void payloads() {
    curve& rates = make("rate_by_payload", "through a node", "bytes", "jobs/s");
    curve& local_rates = make("rate_by_payload", "local workers", "bytes", "jobs/s");
    curve& trips = make("trip_by_payload", "through a node", "bytes", "us");
    curve& local_trips = make("trip_by_payload", "local workers", "bytes", "us");
    curve& raw_trips = make("trip_by_payload", "raw TLS echo", "bytes", "us");
    for (const std::size_t size : {0U, 64U, 1024U, 4096U, 16384U, 65536U, 262144U, 1048576U, 4194304U}) {
      const block b(size, 7);
      const std::size_t many = count_for(size, o_.pick(20'000, 50)), few = count_for(size, o_.pick(500, 10));
      add(rates, size, rate(remote_, b, many, 256));
      add(local_rates, size, rate(local_, b, many, 256));
      add(trips, size, trip(remote_, b, few));
      add(local_trips, size, trip(local_, b, few));
      const double megabytes = raw_echo_rate(raw_port_, block(std::max<std::size_t>(size, 1), 7), few, 1);
      add(raw_trips, size, static_cast<double>(std::max<std::size_t>(size, 1)) / megabytes);
    }
  }

  void flights() {
    curve& remote = make("rate_by_flight", "through a node", "jobs in flight", "jobs/s");
    curve& local = make("rate_by_flight", "local workers", "jobs in flight", "jobs/s");
    for (std::size_t window = 1; window <= 65536; window *= 4) {
      const std::size_t count = o_.pick(std::min<std::size_t>(window * 1500, 200'000), 100);
      add(remote, window, empty_rate(remote_, count, window));
      add(local, window, empty_rate(local_, count, window));
    }
  }

 private:
  curve& make(const char* plot, const char* name, const char* x, const char* y) {
    return out_.add_curve({plot, name, x, y});
  }
  const run_options& o_;
  report& out_;
  pp::client &remote_, &local_;
  std::uint16_t raw_port_;
};

void measure(const run_options& o, report& out) {
  const private_world world;
  background_program raw({"/proc/self/exe", "--raw-echo"}, 1);
  const auto port = static_cast<std::uint16_t>(std::stoi(raw.read_line()));
  const node n;
  pp::client remote(only(n)), local(only_local(2));
  wait_until_ready(remote);
  wait_until_ready(local);
  sweep s(o, out, remote, local, port);
  s.flights();
  s.payloads();
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("sweeps", argc, argv, measure, {{"--raw-echo", bench::serve_raw_echo}});
}
