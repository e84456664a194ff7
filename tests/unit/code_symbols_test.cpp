#include "code/symbols.hpp"

#include <fcntl.h>

#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "code/descriptor.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/wait.hpp"

namespace pp::code {

// Outside of the unnamed namespace, so that their names are those written here.
[[gnu::noinline]] int named_for_symbols(int n, const std::string& text) { return n + static_cast<int>(text.size()); }

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

bytes this_program() {
  const auto text = test::read_file("/proc/self/exe");
  const auto* const first = reinterpret_cast<const std::uint8_t*>(text.data());
  return {first, first + text.size()};
}

location location_here(const image& of, const void* address) { return of.locate(address).value(); }
const void* address_of_named() { return reinterpret_cast<const void*>(&named_for_symbols); }

TEST(Symbols, NameAFunctionOfThisProgram) {
  const auto self = image::snapshot();
  symbol_book names;
  EXPECT_EQ(names.name_of_call(*self, no_location, location_here(*self, address_of_named())),
            "pp::code::named_for_symbols(int, std::string const&)");
}

TEST(Symbols, DescribeAStackByNameAndOffset) {
  const auto self = image::snapshot();
  symbol_book names;
  const location there = location_here(*self, address_of_named());
  const std::vector<location> stack{there + 1, no_location, no_location, there + 4};
  EXPECT_THAT(names.describe_stack(*self, stack, no_location, no_location),
              ElementsAre(HasSubstr("named_for_symbols(int, std::string const&) + 0x1 in "), "(outside of the program)",
                          HasSubstr("named_for_symbols(int, std::string const&) + 0x4 in ")));
}

TEST(Symbols, ACallerIsLookedUpWhereItCalled) {
  const auto self = image::snapshot();
  symbol_book names;
  const location there = location_here(*self, address_of_named());
  const std::vector<location> stack{there, there};
  const auto lines = names.describe_stack(*self, stack, no_location, no_location);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr("named_for_symbols"));
  EXPECT_EQ(lines[1].find("named_for_symbols"), std::string::npos) << "the byte before belongs to somebody else";
}

TEST(Symbols, ALocationThatIsInNoModuleHasNoName) {
  const auto self = image::snapshot();
  symbol_book names;
  const std::vector<location> odd{make_location(500, 1), ~0ULL, virtual_marker << 48U | 5U};
  EXPECT_EQ(names.name_of_call(*self, odd[0], odd[2]), "");
  EXPECT_THAT(names.describe_stack(*self, odd, no_location, no_location), ElementsAre("(outside of the program)"));
}

TEST(Symbols, HostileBytesGiveNamesOrNone) {
  const bytes whole = this_program();
  const std::vector<std::uint64_t> offsets{0, 0x1000, 0x20000, ~0ULL};
  std::mt19937 random(4);
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  bytes bad = whole;
  for (int round = 0; round < (test::is_sanitized ? 30 : 100); ++round) {
    std::vector<std::pair<std::size_t, std::uint8_t>> undo;
    for (int i = 0; i < 4; ++i) {
      const std::size_t table = round % 2 == 0 ? 0 : header.e_shoff;
      const std::size_t at = table + random() % (round % 2 == 0 ? sizeof header : whole.size() - table);
      undo.emplace_back(at, bad[at]);
      bad[at] = static_cast<std::uint8_t>(random());
    }
    EXPECT_EQ(find_symbols(elf_in_memory(bad), offsets).size(), offsets.size());
    for (auto u = undo.rbegin(); u != undo.rend(); ++u) bad[u->first] = u->second;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{63}, std::size_t{64}, whole.size() / 2, whole.size() - 1})
    EXPECT_EQ(find_symbols(elf_in_memory(byte_view(whole).first(size)), offsets).size(), offsets.size());
}

TEST(Symbols, StandardTypesAreShortInNames) {
  EXPECT_EQ(readable_name("_Z3fibi"), "fib(int)");
  EXPECT_EQ(readable_name("_Z1fSt6vectorINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESaIS5_EE"),
            "f(std::vector<std::string>)");
  EXPECT_EQ(readable_name("_ZN12_GLOBAL__N_14workEi"), "work(int)");
  EXPECT_EQ(readable_name("main"), "main");
}

TEST(Symbols, ALambdaIsFoundInTheNameOfItsDecoder) {
  EXPECT_EQ(
      called_by("pp::detail::object_decoder<main::{lambda(int)#1}, pp::detail::type_list<int>>::run(unsigned long, "
                "unsigned char const*, unsigned long, pp::detail::payload&)"),
      "main::{lambda(int)#1}");
  EXPECT_EQ(called_by("pp::detail::object_chunk<count<std::pair<int, char>>, int>::run(unsigned long)"),
            "count<std::pair<int, char>>");
  EXPECT_EQ(called_by("pp::detail::function_decoder<int (int)>::run(unsigned long)"), "");
  EXPECT_EQ(called_by("pp::detail::object_decoder<"), "");
}

}  // namespace
}  // namespace pp::code
