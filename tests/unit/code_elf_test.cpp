#include "code/elf.hpp"

#include <fcntl.h>

#include <cstring>
#include <filesystem>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "code/descriptor.hpp"
#include "code/modules.hpp"
#include "code/platform.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::code {
namespace {

using testing::Contains;

bytes contents_of(const std::string& path) {
  const auto text = test::read_file(path);
  const auto* const first = reinterpret_cast<const std::uint8_t*>(text.data());
  return {first, first + text.size()};
}

/// The path of a system library that this program has loaded.
std::string path_of(const std::string& library) {
  for (const auto& m : loaded_modules()) {
    if (m.name == library) return m.path;
  }
  return {};
}

elf_facts facts_of(const std::string& path) {
  const descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return read_elf(elf_in_file(fd.get())).value();
}

TEST(Elf, ReadsThisProgram) {
  const auto facts = facts_of("/proc/self/exe");
  EXPECT_EQ(facts.header.e_machine, this_platform().machine);
  EXPECT_THAT(facts.needed, Contains("libc.so.6"));
  EXPECT_LE(facts.loaded_size, std::filesystem::file_size("/proc/self/exe"));
  std::vector<std::string> versions;
  for (const auto& v : facts.needs) versions.push_back(v.version);
  EXPECT_LE(compare_versions(highest_version(versions, "GLIBC_"), this_platform().glibc), 0);
  EXPECT_LE(compare_versions(highest_version(versions, "GLIBCXX_"), this_platform().glibcxx), 0);
  EXPECT_NE(highest_version(versions, "GLIBC_"), "");
}

TEST(Elf, ReadsWhatALibraryIsAndDefines) {
  const auto facts = facts_of(path_of("libstdc++.so.6"));
  EXPECT_EQ(facts.soname, "libstdc++.so.6");
  EXPECT_THAT(facts.defines, Contains("GLIBCXX_3.4.11"));
  EXPECT_FALSE(facts.build_id.empty());
}

TEST(Elf, BuildIdInMemoryIsThatOfTheFile) {
  for (const auto& m : loaded_modules()) {
    EXPECT_EQ(build_id_of(m), facts_of(m.path).build_id) << m.path;
  }
}

TEST(Elf, LeavesOutWhatFollowsTheLastSegment) {
  const auto path = path_of("libstdc++.so.6");
  auto file = contents_of(path);
  const auto facts = read_elf(elf_in_memory(file)).value();
  file.resize(facts.loaded_size);
  EXPECT_TRUE(read_elf(elf_in_memory(file)).has_value());
  file.pop_back();
  EXPECT_TRUE(read_elf(elf_in_memory(file)).has_error());
}

TEST(Elf, RefusesWhatIsNoElfFileOfThisMachine) {
  auto file = contents_of(path_of("libgcc_s.so.1"));
  for (const std::size_t at : {0, 1, 2, 3, 4, 5}) {  // magic, class, byte order
    auto other = file;
    other[at] ^= 3U;
    EXPECT_TRUE(read_elf(elf_in_memory(other)).has_error()) << at;
  }
  EXPECT_TRUE(read_elf(elf_in_memory({})).has_error());
  EXPECT_TRUE(read_elf(elf_in_memory(as_bytes("#!/bin/sh\n"))).has_error());
}

TEST(Elf, SurvivesTruncationAtEveryPlace) {
  const auto file = contents_of(path_of("libgcc_s.so.1"));
  const auto end = read_elf(elf_in_memory(file)).value().loaded_size;
  for (std::size_t size = 0; size < file.size(); size += 64) {
    // A copy of exactly that size, so that a sanitizer sees a read beyond it.
    const bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(read_elf(elf_in_memory(cut)).has_value(), size >= end) << size;
  }
}

TEST(Elf, SurvivesAnyBitFlipInItsHeaders) {
  auto file = contents_of(path_of("libgcc_s.so.1"));
  const auto facts = read_elf(elf_in_memory(file)).value();
  file.resize(facts.loaded_size);
  const std::size_t headers = sizeof(Elf64_Ehdr) + facts.segments.size() * sizeof(Elf64_Phdr);
  for (std::size_t bit = 0; bit < headers * 8; ++bit) {
    file[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    static_cast<void>(read_elf(elf_in_memory(file)));
    file[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
}

TEST(Elf, SurvivesRandomDamage) {
  const auto file = contents_of(path_of("libgcc_s.so.1"));
  const auto facts = read_elf(elf_in_memory(file)).value();
  const unsigned seed = 20260101;
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    auto damaged = file;
    // All that the parser reads lies in the first pages and in the dynamic segment.
    for (const auto& s : facts.segments) {
      const bool is_read = s.p_type == PT_DYNAMIC || s.p_type == PT_NOTE || s.p_type == PT_PHDR || s.p_offset == 0;
      if (!is_read || s.p_filesz == 0) continue;
      for (int i = 0; i < 4; ++i) damaged[s.p_offset + random() % s.p_filesz] = static_cast<std::uint8_t>(random());
    }
    static_cast<void>(read_elf(elf_in_memory(damaged)));
  }
}

/// A whole ELF file by hand: one segment that covers everything, one note segment.
bytes file_with_note(std::uint32_t type, byte_view text) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  const Elf64_Nhdr note{4, static_cast<std::uint32_t>(text.size()), type};
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = segment.p_memsz = sizeof note + 4 + text.size();
  segment.p_align = 8;
  bytes out;
  const auto add = [&out](const void* from, std::size_t size) {
    const auto* p = static_cast<const std::uint8_t*>(from);
    out.insert(out.end(), p, p + size);
  };
  add(&header, sizeof header);
  add(&segment, sizeof segment);
  add(&note, sizeof note);
  add("GNU", 4);
  add(text.data(), text.size());
  return out;
}

bytes isa_property(std::uint32_t bits) {
  const std::uint32_t words[4] = {0xc0008002, 4, bits, 0};
  bytes out(sizeof words);
  std::memcpy(out.data(), words, sizeof words);
  return out;
}

TEST(Elf, ReadsTheProcessorLevelThatIsNeeded) {
  const auto level = [](std::uint32_t bits) {
    return read_elf(elf_in_memory(file_with_note(NT_GNU_PROPERTY_TYPE_0, isa_property(bits)))).value().isa_level;
  };
  EXPECT_EQ(level(0), 0);
  EXPECT_EQ(level(1), 1);
  EXPECT_EQ(level(3), 2);
  EXPECT_EQ(level(7), 3);
  EXPECT_EQ(level(15), 4);
}

TEST(Elf, ReadsABuildId) {
  const bytes id = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(read_elf(elf_in_memory(file_with_note(NT_GNU_BUILD_ID, id))).value().build_id, id);
}

TEST(Elf, VersionsCompareAsNumbers) {
  EXPECT_LT(compare_versions("2.4", "2.36"), 0);
  EXPECT_EQ(compare_versions("2.36", "2.36.0"), 0);
  EXPECT_GT(compare_versions("3.4.30", "3.4.9"), 0);
  EXPECT_LT(compare_versions("", "0.1"), 0);
}

TEST(Elf, HighestVersionPassesOverNamesThatAreNone) {
  EXPECT_EQ(highest_version({"GLIBC_2.4", "GLIBC_2.36", "GLIBC_PRIVATE", "GLIBC_2.17"}, "GLIBC_"), "2.36");
  EXPECT_EQ(highest_version({"GLIBCXX_LDBL_3.4", "CXXABI_TM_1"}, "GLIBCXX_"), "");
}

TEST(Platform, KnowsItsLibraries) {
  const auto& p = this_platform();
  EXPECT_NE(p.machine, 0);
  EXPECT_GE(compare_versions(p.glibc, "2.17"), 0) << p.glibc;
  EXPECT_GE(compare_versions(p.glibcxx, "3.4.20"), 0) << p.glibcxx;
  EXPECT_GE(compare_versions(p.cxxabi, "1.3.8"), 0) << p.cxxabi;
  EXPECT_EQ(p.os.rfind("Linux ", 0), 0U) << p.os;
}

TEST(Platform, ProcessorLevelNeedsEveryFeatureAndTheKernel) {
  cpu_features all{~0U, ~0U, ~0U, ~0U};
  EXPECT_EQ(isa_level_of(all), 4);
  EXPECT_EQ(isa_level_of({}), 1);
  auto f = all;
  f.enabled_state = 0x06;  // AVX registers are saved, AVX-512's are not
  EXPECT_EQ(isa_level_of(f), 3);
  f.enabled_state = 0;
  EXPECT_EQ(isa_level_of(f), 2);
  f = all;
  f.leaf7_ebx &= ~(1U << 5U);  // AVX2
  EXPECT_EQ(isa_level_of(f), 2);
  f = all;
  f.leaf1_ecx &= ~(1U << 13U);  // CMPXCHG16B
  EXPECT_EQ(isa_level_of(f), 1);
}

}  // namespace
}  // namespace pp::code
