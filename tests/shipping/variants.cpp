// One program, built in many ways (CMakeLists.txt); the driver runs each against a node. It takes its nodes and its key
// from the environment and runs nothing on this machine but through them.
//
// Arguments: --fifo PATH: wait after pp::init until somebody writes there.  --plugin PATH: open it and use it, may be
// repeated. --illegal: submit an illegal instruction.
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <pp/pp.hpp>

#include "kinds.hpp"
#include "part.hpp"

namespace {

struct settings {
  std::string fifo;
  std::vector<std::string> plugins;
  bool illegal = false;
};

settings parse(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string next = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--fifo") s.fifo = next;
    if (word == "--plugin") s.plugins.push_back(next);
    if (word == "--illegal") s.illegal = true;
  }
  return s;
}

void wait_for_a_writer(const std::string& fifo) {
  std::string line;
  std::ifstream in(fifo);
  std::getline(in, line);
}

#if defined(WITH_PLUGINS)
template <class F>
F* symbol_of(void* plugin, const char* name) {
  auto* const address = reinterpret_cast<F*>(::dlsym(plugin, name));
  if (address == nullptr) throw std::runtime_error(::dlerror());
  return address;
}

int check_plugin(pp::client& client, const std::string& path) {
  void* const plugin = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) throw std::runtime_error(::dlerror());
  auto* const function = symbol_of<int(int)>(plugin, "plugin_function");
  int wrong = 0;
  if (client.submit(function, 4).get() != function(4)) wrong += std::printf("wrong: function of %s\n", path.c_str());
  if (!symbol_of<bool(pp::client&)>(plugin, "plugin_submits")(client))
    wrong += std::printf("wrong: decoders of %s\n", path.c_str());
  return wrong;
}
#else
int check_plugin(pp::client&, const std::string&) { throw std::runtime_error("this variant takes no plugins"); }
#endif

[[gnu::noinline]] void illegal_instruction() { __builtin_trap(); }

int run(const settings& s) {
  pp::options o;
  o.local = 0;
  o.discovery = false;
  if (s.illegal) o.no_nodes_timeout = std::chrono::seconds(2);
  pp::client client(o);
  if (s.illegal) {
    client.wait_for_nodes(1, std::chrono::minutes(1));
    client.submit(illegal_instruction).get();
    return 1;
  }
  // A plugin's functions are submitted first: they are in no image that was made before it was opened.
  int wrong = 0;
  for (const auto& path : s.plugins) wrong += check_plugin(client, path);
  wrong += kinds::check_all(client);
  const auto stats = client.stats();
  std::printf("%s code_bytes_sent=%llu jobs=%llu\n", wrong == 0 ? "OK" : "WRONG",
              static_cast<unsigned long long>(stats.code_bytes_sent), static_cast<unsigned long long>(stats.submitted));
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  // A program that looks at its arguments before pp::init sees the user's in the client, and none that it does not know
  // in a worker.
  const settings s = parse(argc, argv);
  pp::init(argc, argv);
  try {
    if (!s.fifo.empty()) wait_for_a_writer(s.fifo);
    return run(s);
  } catch (const std::exception& e) {
    std::printf("failed: %s\n", e.what());
    return 2;
  }
}
