// All snippets of the documents as one program: doc_snippets NAME runs one of them.
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "tests/docs/snippet.hpp"

namespace pp::docs {
namespace {

std::map<std::string, int (*)(int, char**)>& all() {
  static std::map<std::string, int (*)(int, char**)> snippets;
  return snippets;
}

}  // namespace

snippet::snippet(const char* name, int (*main)(int, char**)) { all()[name] = main; }

}  // namespace pp::docs

int main(int argc, char** argv) try {
  pp::init(argc, argv);
  const std::string name = argc > 1 ? argv[1] : "";
  const auto& snippets = pp::docs::all();
  if (const auto found = snippets.find(name); found != snippets.end()) return found->second(argc - 1, argv + 1);
  std::cerr << "usage: doc_snippets NAME, which is one of\n";
  for (const auto& [known, main] : snippets) std::cerr << "  " << known << '\n';
  return 64;
} catch (const std::exception& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
