// P4: echo of 1 MiB and of 64 MiB, through a node against a raw TLS echo with the same number in flight, and by local workers.
#include "bench/flight.hpp"
#include "bench/raw_echo.hpp"
#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;
using block = std::vector<std::uint8_t>;
constexpr std::size_t mib = std::size_t{1} << 20U;

block same(block b) { return b; }

block pattern(std::size_t size) {
  block b(size);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::uint8_t>(i * 2654435761U >> 24U);
  return b;
}

double echo_rate(pp::client& client, const block& b, std::size_t count, std::size_t window) {
  const auto start = steady::now();
  keep_in_flight(
      count, window, [&](std::size_t) { return client.submit(same, b); },
      [&](auto& future) { require(future.get() == b, "a job changed its block"); });
  return static_cast<double>(b.size() * count) / seconds_since(start) / 1e6;
}

// Comparing every block costs both sides; the raw echo compares its last one. So the checked echo runs once, before.
double unchecked_rate(pp::client& client, const block& b, std::size_t count, std::size_t window) {
  const auto start = steady::now();
  std::size_t bytes = 0;
  keep_in_flight(
      count, window, [&](std::size_t) { return client.submit(same, b); },
      [&](auto& future) { bytes += future.get().size(); });
  require(bytes == b.size() * count, "a job lost bytes of its block");
  return static_cast<double>(bytes) / seconds_since(start) / 1e6;
}

struct kind {
  const char* name;
  std::size_t size, count, window;
  bool has_goal;
  double local_goal;  ///< MB/s
};

class contest {
 public:
  contest(report& out, const kind& k, block b) : k_(k), block_(std::move(b)) {
    const std::string at_once = k.window == 1 ? "one at a time" : std::to_string(k.window) + " at once";
    const std::string name = std::string(k.name) + ", " + at_once;
    const std::optional<double> goal = k.has_goal ? std::optional<double>(0.85) : std::nullopt;
    const std::optional<double> local = k.has_goal ? std::optional<double>(k.local_goal) : std::nullopt;
    remote_ = &out.add({k.has_goal ? "P4" : "", name, "MB/s", better::more, "raw TLS echo", goal});
    local_ = &out.add({k.has_goal ? "P4" : "", "local: " + name, "MB/s", better::more, "", {}, local});
  }
  void warm_up(pp::client& remote, pp::client& local) {
    echo_rate(remote, block_, k_.window, k_.window);
    echo_rate(local, block_, k_.window, k_.window);
  }
  void round(pp::client& remote, pp::client& local, std::uint16_t raw_port) {
    const double raw = raw_echo_rate(raw_port, block_, k_.count, k_.window);
    remote_->add(unchecked_rate(remote, block_, k_.count, k_.window), raw);
    local_->ours.push_back(unchecked_rate(local, block_, k_.count, k_.window));
  }

 private:
  kind k_;
  block block_;
  row *remote_, *local_;
};

void measure(const run_options& o, report& out) {
  const private_world world;
  background_program raw({"/proc/self/exe", "--raw-echo"}, 1);
  const auto port = static_cast<std::uint16_t>(std::stoi(raw.read_line()));
  const node n;
  pp::client remote(only(n)), local(only_local(2));
  wait_until_ready(remote);
  wait_until_ready(local);
  const std::size_t small = o.pick(mib, 64 << 10U), large = o.pick(64 * mib, mib);
  const kind kinds[] = {{"1 MiB", small, o.pick(200, 4), 1, false, 3000},
                        {"1 MiB", small, o.pick(200, 4), 8, true, 3000},
                        {"64 MiB", large, o.pick(5, 2), 1, true, 2000},
                        {"64 MiB", large, o.pick(6, 2), 2, false, 2000}};
  std::vector<contest> all;
  for (const auto& k : kinds) all.emplace_back(out, k, pattern(k.size));
  for (auto& c : all) c.warm_up(remote, local);
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    for (auto& c : all) c.round(remote, local, port);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p4_echo", argc, argv, measure, {{"--raw-echo", bench::serve_raw_echo}});
}
