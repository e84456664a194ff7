// ppclient ping: round trips to one node through the whole stack, login and encryption included.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <numeric>

#include "command.hpp"

namespace ppclient {
namespace {

struct ping_options {
  std::string node;
  unsigned count = 4;
};

double in_ms(std::chrono::nanoseconds t) { return std::chrono::duration<double, std::milli>(t).count(); }

void print_summary(const std::vector<double>& trips) {
  const auto [least, most] = std::minmax_element(trips.begin(), trips.end());
  const double mean = std::accumulate(trips.begin(), trips.end(), 0.0) / static_cast<double>(trips.size());
  std::printf("%zu trips: min %.3f ms, mean %.3f ms, max %.3f ms\n", trips.size(), *least, mean, *most);
}

int run(const common_options& common, const ping_options& o) {
  pp::client client(to_client_options(common));
  const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(common.wait_seconds * 1000));
  if (!look_for_nodes(client, common)) return tell_nothing_found(client);
  std::vector<double> trips;
  try {
    while (trips.size() < o.count) {
      trips.push_back(in_ms(client.ping(o.node, limit)));
      std::printf("answer %zu from %s: %.3f ms\n", trips.size(), printable(o.node).c_str(), trips.back());
    }
  } catch (const pp::error& e) {
    if (e.code() != pp::condition::retryable) throw;
    std::cerr << "ppclient: " << e.what() << '\n';
    return unavailable;
  }
  print_summary(trips);
  return done;
}

}  // namespace

void add_ping(CLI::App& app, common_options& common, action& chosen) {
  auto* command = app.add_subcommand("ping", "Measure round trips to one node");
  auto o = std::make_shared<ping_options>();
  command->add_option("NODE", o->node, "Its name, its id, or its address HOST:PORT")->required();
  command->add_option("-c,--count", o->count, "How many round trips")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  command->callback([&common, &chosen, o] { chosen = [&common, o] { return run(common, *o); }; });
}

}  // namespace ppclient
