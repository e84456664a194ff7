#include "bench/run.hpp"

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>

#include <pp/pp.hpp>

namespace bench {
namespace {

run_options read_arguments(int argc, char** argv) {
  run_options o;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--small") == 0) {
      o.small = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      o.json = argv[++i];
    } else if (o.rounds = std::atoi(argv[i]); o.rounds < 1) {
      throw std::invalid_argument("[ROUNDS] [--small] [--json FILE]");
    }
  }
  return o;
}

}  // namespace

int run_benchmark(const char* name, int argc, char** argv, void (*measure)(const run_options&, report&),
                  std::initializer_list<role> roles) try {
  pp::init(argc, argv);
  for (const auto& r : roles) {
    if (argc > 1 && std::strcmp(argv[1], r.name) == 0) return r.run(argc, argv);
  }
  const auto o = read_arguments(argc, argv);
  report out(name);
  measure(o, out);
  out.print();
  if (!o.json.empty()) out.write_json(o.json);
  return 0;
} catch (const std::invalid_argument& e) {
  std::cerr << "usage: " << name << ' ' << e.what() << '\n';
  return 64;
} catch (const std::exception& e) {
  std::cerr << name << ": " << e.what() << '\n';
  return 1;
}

void tell_round(int number, int of) { std::cerr << "round " << number << " of " << of << '\n'; }

void require(bool is_right, const char* what) {
  if (!is_right) throw std::runtime_error(what);
}

}  // namespace bench
