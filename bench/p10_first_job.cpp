// P10: the first job of a program of 10 MB on a node that never saw it, and its second start, which must send no code.
//
// The program is a copy of this one whose constants were replaced by random bytes, new ones in each round: the worst case, because
// they cannot be compressed.
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <random>

#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

constexpr char marker[] = "from here to the end of the constants";
// What makes the program large. In a section that is loaded: what is not never travels.
const volatile char constants[7'200'000] = "from here to the end of the constants";

int plus_one(int n) { return n + 1; }

double now_in_micros() { return std::chrono::duration<double, std::micro>(steady::now().time_since_epoch()).count(); }

int be_client(int, char** argv) {
  pp::options options;
  options.nodes = {argv[2]};
  pp::client client(options);
  const int result = client.submit(plus_one, 41).get() + constants[sizeof constants - 1] * 0;
  const double end = now_in_micros();
  std::printf("%.3f %d %llu\n", end, result, static_cast<unsigned long long>(client.stats().code_bytes_sent));
  std::fflush(stdout);
  return 0;
}

void make_program(const std::string& path, unsigned seed) {
  std::ifstream self("/proc/self/exe", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(self)), {});
  // The marker stands in the file twice; the constants are where zeros follow.
  std::size_t at = bytes.find(marker);
  while (at != std::string::npos && bytes[at + sizeof marker + 64] != '\0') at = bytes.find(marker, at + 1);
  require(at != std::string::npos && at + sizeof constants <= bytes.size(), "the program has lost its constants");
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i + sizeof(std::uint64_t) <= sizeof constants; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(&bytes[at + i], &word, sizeof word);
  }
  std::ofstream(path, std::ios::binary) << bytes;
  chmod(path.c_str(), 0700);
}

struct start_result {
  double milliseconds;
  double code_bytes;
};

start_result start(const std::string& program, const std::string& address) {
  const double begin = now_in_micros();
  background_program client({program, "--client", address}, 1);
  double end = 0;
  int result = 0;
  unsigned long long code = 0;
  require(std::sscanf(client.read_line().c_str(), "%lf %d %llu", &end, &result, &code) == 3 && result == 42,
          "the client program gave no or a wrong result");
  return {(end - begin) / 1e3, static_cast<double>(code)};
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const node n;
  const std::string path = world.directory() + "/program";
  row& first = out.add({"P10", "first start of 10 MB, to its result", "ms", better::less, "", {}, 150.0});
  row& second = out.add({"", "second start", "ms"});
  row& sent_first = out.add({"", "code sent by the first start", "B"});
  row& sent_again = out.add({"P10", "code sent by the second start", "B", better::less, "", {}, 0.0});
  for (int i = 0; i < o.rounds; ++i) {
    tell_round(i + 1, o.rounds);
    make_program(path, std::random_device()());
    const auto one = start(path, n.address()), two = start(path, n.address());
    require(one.code_bytes > sizeof constants, "the node had a program it cannot have seen");
    require(two.code_bytes == 0, "a program the node has was sent again");
    first.ours.push_back(one.milliseconds);
    second.ours.push_back(two.milliseconds);
    sent_first.ours.push_back(one.code_bytes);
    sent_again.ours.push_back(two.code_bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p10_first_job", argc, argv, measure, {{"--client", be_client}});
}
