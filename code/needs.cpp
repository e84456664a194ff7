#include "code/needs.hpp"

#include <algorithm>

namespace pp::code {
namespace {

/// A marker of glibc that stands for a feature; its number is that of the version that brought it.
std::string as_number(const std::string& version) { return version == "GLIBC_ABI_DT_RELR" ? "GLIBC_2.36" : version; }

void raise(std::string& highest, const std::vector<std::string>& asked, std::string_view prefix) {
  auto found = highest_version(asked, prefix);
  if (compare_versions(found, highest) > 0) highest = std::move(found);
}

}  // namespace

void add_needs(const elf_facts& facts, const std::set<std::string>& shipped, needs& to) {
  std::vector<std::string> asked;
  for (const auto& v : facts.needs) {
    if (!shipped.contains(v.library)) asked.push_back(as_number(v.version));
  }
  raise(to.glibc, asked, "GLIBC_");
  raise(to.glibcxx, asked, "GLIBCXX_");
  raise(to.cxxabi, asked, "CXXABI_");
  to.isa_level = std::max(to.isa_level, facts.isa_level);
}

}  // namespace pp::code
