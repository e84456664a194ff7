// P6: from the start of a client program to its first result, the node being warm and having the program already.
#include "bench/run.hpp"
#include "bench/server.hpp"

namespace {

using namespace bench;

int plus_one(int n) { return n + 1; }

// The clock is the machine's, so two processes may compare their readings.
double now_in_micros() { return std::chrono::duration<double, std::micro>(steady::now().time_since_epoch()).count(); }

// The whole program a user would write, and when it had its result.
int be_client(int, char** argv) {
  pp::options options;
  options.nodes = {argv[2]};
  pp::client client(options);
  const int result = client.submit(plus_one, 41).get();
  std::printf("%.3f %d %llu\n", now_in_micros(), result,
              static_cast<unsigned long long>(client.stats().code_bytes_sent));
  std::fflush(stdout);
  return 0;
}

// The same exec without pp: what the machine needs by itself.
int be_nothing(int, char**) {
  std::printf("%.3f 42 0\n", now_in_micros());
  std::fflush(stdout);
  return 0;
}

double milliseconds_to_result(const std::vector<std::string>& command, bool may_send_code) {
  const double start = now_in_micros();
  background_program program(command, 1);
  double end = 0;
  int result = 0;
  unsigned long long code = 0;
  require(std::sscanf(program.read_line().c_str(), "%lf %d %llu", &end, &result, &code) == 3 && result == 42,
          "the client program gave no or a wrong result");
  require(may_send_code || code == 0, "a program the node has was sent again");
  return (end - start) / 1e3;
}

void measure(const run_options& o, report& out) {
  const private_world world;
  const node n;
  const std::vector<std::string> client{"/proc/self/exe", "--client", n.address()};
  const std::vector<std::string> nothing{"/proc/self/exe", "--nothing"};
  row& first = out.add({"P6", "program start to first result", "ms", better::less, "the exec alone", {}, 10.0});
  milliseconds_to_result(client, true);
  const int starts = static_cast<int>(o.pick(5, 1)) * o.rounds;
  for (int i = 0; i < starts; ++i)
    first.add(milliseconds_to_result(client, false), milliseconds_to_result(nothing, false));
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark("p6_start", argc, argv, measure, {{"--client", be_client}, {"--nothing", be_nothing}});
}
