// P9: what deciding costs by itself, up to 1,000 nodes and 10 million jobs, in virtual time; and what 1,000 nodes say by UDP.
#include "bench/run.hpp"
#include "bench/virtual_time.hpp"
#include "discovery/announcer.hpp"
#include "discovery/browser.hpp"
#include "wire/announce.hpp"

namespace {

using namespace bench;

constexpr double bytes_of_udp_and_ip = 28, bytes_of_ethernet = 18;

std::string with_dots(std::size_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string counted(std::size_t n, const char* what) { return with_dots(n) + " " + what + (n == 1 ? "" : "s"); }

// The goal is for all that happens to a job; its steps are for information.
struct step_rows {
  step_rows(report& out, const std::string& what, std::optional<double> goal)
      : all(out.add({goal ? "P9" : "", what, "ns/job", better::less, "", {}, goal})),
        submit(out.add({"", what + ": submit", "ns/job"})),
        send(out.add({"", what + ": decide and send", "ns/job"})),
        result(out.add({"", what + ": result", "ns/job"})) {}
  void add(const step_costs& c) {
    submit.ours.push_back(c.submit);
    send.ours.push_back(c.send);
    result.ours.push_back(c.result);
    all.ours.push_back(c.all());
  }
  row &all, &submit, &send, &result;
};

// From the schedules alone: a node speaks once per interval on the average, and every node answers every question it hears.
void add_discovery(report& out, std::size_t nodes) {
  const pp::discovery::announcer::options announcing;
  const pp::discovery::browser::options asking;
  const auto per_second = [](pp::duration interval) { return 1 / std::chrono::duration<double>(interval).count(); };
  const double count = static_cast<double>(nodes);
  const double datagram = static_cast<double>(pp::wire::datagram_size) + bytes_of_udp_and_ip;
  const double announcements = count * per_second(announcing.interval);
  const double with_answers = announcements + (count + 1) * per_second(asking.interval);
  const std::string name = "discovery, " + with_dots(nodes) + " nodes";
  out.add(row{"P9", name + ", IP bytes", "kB/s", better::less, "", {}, 60.0}).ours = {announcements * datagram / 1e3};
  out.add(row{"", name + ", with Ethernet's", "kB/s"}).ours = {announcements * (datagram + bytes_of_ethernet) / 1e3};
  out.add(row{"", name + ", and one client asks", "kB/s"}).ours = {with_answers * datagram / 1e3};
}

void measure(const run_options& o, report& out) {
  const std::size_t jobs = o.pick(10'000'000, 20'000), of_dispatch = o.pick(500'000, 2'000);
  for (const std::size_t nodes : {1U, 10U, 100U, 1000U}) {
    step_rows rows(out, "scheduler, " + counted(nodes, "node"), nodes == 1 ? 150.0 : 300.0);
    for (int i = 0; i < o.rounds; ++i) rows.add(cost_of_scheduler(nodes, nodes < 1000 ? jobs / 10 : jobs));
  }
  for (const auto& [owners, at_once] : {std::pair{1U, 1U}, {1U, 32U}, {10U, 1U}, {10U, 32U}, {100U, 32U}}) {
    const std::string name = counted(owners, "client") + ", " + counted(at_once, "result") + " at once";
    step_rows rows(out, "dispatch, 64 workers, " + name, owners == 1 ? std::optional<double>(150.0) : std::nullopt);
    for (int i = 0; i < o.rounds; ++i) rows.add(cost_of_dispatch(owners, at_once, of_dispatch));
  }
  add_discovery(out, 1000);
}

}  // namespace

int main(int argc, char** argv) { return bench::run_benchmark("p9_scheduling", argc, argv, measure); }
