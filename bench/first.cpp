// The first benchmark: empty-job round trip, empty jobs a second, 64 MiB echo, each beside a raw TLS echo in the same round.
//
// Usage: first [ROUNDS] (default 5). Starts its own ppserver and echo server on loopback. Rounds alternate between pp and raw, so
// that both see the same moods of the machine; judge by the ratios, not by the absolute figures.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>

#include <pp/pp.hpp>

#include "bench/figures.hpp"
#include "bench/raw_echo.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

constexpr std::size_t trips = 2000;
constexpr std::size_t empty_jobs = 200'000;
constexpr std::size_t raw_messages = 500'000;
constexpr std::size_t raw_window = 256;
constexpr std::size_t block_bytes = 64U << 20U;
constexpr std::size_t blocks = 3;

void nothing() {}
std::vector<std::uint8_t> same(std::vector<std::uint8_t> block) { return block; }

std::vector<double> round_trips(pp::client& client) {
  std::vector<double> micros;
  for (std::size_t i = 0; i < trips; ++i) {
    const auto start = steady::now();
    client.submit(nothing).get();
    micros.push_back(seconds_since(start) * 1e6);
  }
  return micros;
}

double jobs_per_second(pp::client& client) {
  std::vector<pp::future<void>> futures;
  futures.reserve(empty_jobs);
  const auto start = steady::now();
  for (std::size_t i = 0; i < empty_jobs; ++i) futures.push_back(client.submit(nothing));
  for (auto& future : futures) future.get();
  return static_cast<double>(empty_jobs) / seconds_since(start);
}

double block_rate(pp::client& client, const std::vector<std::uint8_t>& block) {
  const auto start = steady::now();
  for (std::size_t i = 0; i < blocks; ++i) {
    if (client.submit(same, block).get() != block) throw std::runtime_error("a job changed the block");
  }
  return static_cast<double>(block.size() * blocks) / seconds_since(start) / 1e6;
}

std::string address_in(const std::string& ready_line) {
  const auto at = ready_line.find("address=");
  return ready_line.substr(at + 8, ready_line.find(' ', at) - at - 8);
}

std::string start_and_find(background_program& server) {
  for (;;) {
    const std::string line = server.read_line();
    if (line.find("event=ready") != std::string::npos) return address_in(line);
  }
}

struct table {
  comparison median{"round trip, median", "us", {}, {}}, p99{"round trip, 99 %", "us", {}, {}};
  comparison rate{"empty jobs | 64 B messages", "1/s", {}, {}}, echo{"echo of 64 MiB", "MB/s", {}, {}};
};

void run_round(pp::client& client, raw_echo& raw, const std::vector<std::uint8_t>& block, table& t) {
  const auto pp_trips = round_trips(client), raw_trips = raw.round_trips(trips);
  t.median.pp.push_back(percentile(pp_trips, 0.5));
  t.median.raw.push_back(percentile(raw_trips, 0.5));
  t.p99.pp.push_back(percentile(pp_trips, 0.99));
  t.p99.raw.push_back(percentile(raw_trips, 0.99));
  t.rate.pp.push_back(jobs_per_second(client));
  t.rate.raw.push_back(raw.messages_per_second(raw_messages, raw_window));
  t.echo.pp.push_back(block_rate(client, block));
  t.echo.raw.push_back(raw.block_rate(block, blocks));
}

int run(int rounds) {
  const private_world world;
  background_program echo_server({"/proc/self/exe", "--raw-echo"}, 1);
  background_program node({PP_SERVER_PROGRAM, "-p", "0", "--no-discovery", "--log-level", "warn"}, 2);
  raw_echo raw(static_cast<std::uint16_t>(std::stoi(echo_server.read_line())));
  pp::options options;
  options.nodes = {start_and_find(node)};
  pp::client client(options);

  std::vector<std::uint8_t> block(block_bytes);
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::uint8_t>(i * 2654435761U >> 24U);
  table warm_up, t;
  run_round(client, raw, block, warm_up);
  for (int i = 0; i < rounds; ++i) {
    std::fprintf(stderr, "round %d of %d\n", i + 1, rounds);
    run_round(client, raw, block, t);
  }
  std::printf("%d rounds after one to warm up; raw messages: window %zu\n", rounds, raw_window);
  print_heading();
  for (const auto* c : {&t.median, &t.p99, &t.rate, &t.echo}) print(*c);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);
  if (argc > 1 && std::strcmp(argv[1], "--raw-echo") == 0) return serve_raw_echo();
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  if (rounds < 1) {
    std::cerr << "usage: first [ROUNDS]\n";
    return 64;
  }
  return run(rounds);
} catch (const std::exception& e) {
  std::cerr << "first: " << e.what() << '\n';
  return 1;
}
