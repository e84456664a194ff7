#include "code/fit.hpp"

#include <elf.h>

#include <gtest/gtest.h>

#include "code/needs.hpp"

namespace pp::code {
namespace {

platform debian_12() { return {EM_X86_64, 3, "Linux 6.1.0 x86_64", "2.36", "3.4.30", "1.3.13"}; }
needs modest() { return {EM_X86_64, 0, "2.34", "3.4.29", "1.3.9"}; }

struct unfit_case {
  const char* name;
  needs program;
  std::string text;
};

std::ostream& operator<<(std::ostream& out, const unfit_case& c) { return out << c.name; }

class FitRefusal : public testing::TestWithParam<unfit_case> {};

TEST_P(FitRefusal, NamesBothSidesAndWhatToDo) {
  EXPECT_EQ(why_unfit(GetParam().program, debian_12()).value_or("it fits"), GetParam().text);
}

needs with(void (*change)(needs&)) {
  needs n = modest();
  change(n);
  return n;
}

INSTANTIATE_TEST_SUITE_P(
    Table, FitRefusal,
    testing::Values(
        unfit_case{
            "machine", with([](needs& n) { n.machine = EM_AARCH64; }),
            "the program is built for AArch64 (ARM, 64 bits), the node is x86-64: run the same program, built for it, on "
            "such a machine"},
        unfit_case{
            "unknown_machine", with([](needs& n) { n.machine = 9999; }),
            "the program is built for processor type 9999 (ELF e_machine), the node is x86-64: run the same program, "
            "built for it, on such a machine"},
        unfit_case{
            "isa_level", with([](needs& n) { n.isa_level = 4; }),
            "the program needs a processor of level x86-64-v4, the node has x86-64-v3: build with -march=x86-64-v3"},
        unfit_case{
            "glibc", with([](needs& n) { n.glibc = "2.38"; }),
            "the program needs glibc 2.38, the node has glibc 2.36: build on the older system or link with -static-pie"},
        unfit_case{
            "glibcxx", with([](needs& n) { n.glibcxx = "3.4.32"; }),
            "the program needs libstdc++ with GLIBCXX_3.4.32, the node has libstdc++ with GLIBCXX_3.4.30: build on the "
            "older system or link with -static-libstdc++ -static-libgcc"},
        unfit_case{
            "cxxabi", with([](needs& n) { n.cxxabi = "1.3.14"; }),
            "the program needs libstdc++ with CXXABI_1.3.14, the node has libstdc++ with CXXABI_1.3.13: build on the "
            "older system or link with -static-libstdc++ -static-libgcc"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(Fit, AcceptsWhatIsOlderOrEqual) {
  EXPECT_EQ(why_unfit(modest(), debian_12()), std::nullopt);
  EXPECT_EQ(why_unfit({EM_X86_64, 3, "2.36", "3.4.30", "1.3.13"}, debian_12()), std::nullopt);
}

TEST(Fit, ComparesVersionsAsNumbersNotAsText) {
  auto program = modest();
  program.glibc = "2.4";
  EXPECT_EQ(why_unfit(program, debian_12()), std::nullopt);
  program.glibc = "2.100";
  EXPECT_NE(why_unfit(program, debian_12()), std::nullopt);
}

TEST(Fit, AcceptsAStaticProgramOnAMachineWithoutGlibc) {
  auto node = debian_12();
  node.glibc = node.glibcxx = node.cxxabi = "";
  EXPECT_EQ(why_unfit({EM_X86_64, 0, "", "", ""}, node), std::nullopt);
  EXPECT_EQ(why_unfit(modest(), node).value_or(""),
            "the program needs glibc 2.34, the node has none: build on the older system or link with -static-pie");
}

elf_facts file_that_needs(std::vector<elf_version> versions, std::uint8_t isa_level = 0) {
  elf_facts facts;
  facts.needs = std::move(versions);
  facts.isa_level = isa_level;
  return facts;
}

TEST(Needs, AreTheHighestOfAllFiles) {
  needs n;
  add_needs(file_that_needs({{"libc.so.6", "GLIBC_2.34"}, {"libstdc++.so.6", "GLIBCXX_3.4.9"}}, 2), {}, n);
  add_needs(file_that_needs({{"libm.so.6", "GLIBC_2.4"}, {"libstdc++.so.6", "GLIBCXX_3.4.30"}}, 1), {}, n);
  add_needs(file_that_needs({{"libstdc++.so.6", "CXXABI_1.3.13"}, {"libgcc_s.so.1", "GCC_3.0"}}), {}, n);
  EXPECT_EQ(n, (needs{0, 2, "2.34", "3.4.30", "1.3.13"}));
}

TEST(Needs, DoNotCountWhatAShippedLibraryProvides) {
  needs n;
  add_needs(file_that_needs({{"libc.so.6", "GLIBC_2.34"}, {"libstdc++.so.6", "GLIBCXX_3.4.99"}}),
            {"app", "libstdc++.so.6"}, n);
  EXPECT_EQ(n, (needs{0, 0, "2.34", "", ""}));
}

TEST(Needs, RelativeRelocationsAskForTheGlibcThatReadsThem) {
  needs n;
  add_needs(file_that_needs({{"libc.so.6", "GLIBC_2.4"}, {"libc.so.6", "GLIBC_ABI_DT_RELR"}}), {}, n);
  EXPECT_EQ(n.glibc, "2.36");
}

}  // namespace
}  // namespace pp::code
