// A plugin: never linked, opened with dlopen by the program before it submits. PLUGIN_NUMBER makes several different
// ones.
#include <pp/client.hpp>

namespace {

int hidden(int x) { return x + PLUGIN_NUMBER; }

}  // namespace

// Each plugin defines the same names, as plugins do.
extern "C" int plugin_function(int x) { return x * 10 + PLUGIN_NUMBER; }

// Its decoders lie in the plugin alone.
extern "C" bool plugin_submits(pp::client& client) {
  auto a = client.submit(hidden, 1);
  auto b = client.submit([](long x, char c) { return x + hidden(c); }, 1, 'a');
  return a.get() == 1 + PLUGIN_NUMBER && b.get() == 1 + 'a' + PLUGIN_NUMBER;
}
