// What an ELF file says about itself, read without trusting a byte of it.
//
// Promises: pure; every offset, count and length is checked against the file and against a limit before it is used, so
// any bytes at all give a value or `malformed`, never a crash or a large allocation. Section headers are never looked
// at: a stripped file has none, and they are not shipped. Only 64-bit files of this machine's byte order are
// understood.
// Sources: System V gABI chapter 5 (program loading), Linux Standard Base 10.7 (symbol versions), x86-64 psABI (GNU
// properties).
#pragma once

#include <elf.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace pp::code {

/// Fills `to` from `offset` of the file; false if the file is shorter or cannot be read.
using elf_source = std::function<bool(std::uint64_t offset, mutable_byte_view to)>;
elf_source elf_in_memory(byte_view file);
elf_source elf_in_file(int fd);

/// One version that a file needs from a library, for example {"libc.so.6", "GLIBC_2.34"}.
struct elf_version {
  std::string library, version;
};

struct elf_facts {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::uint64_t loaded_size = 0;  ///< end of the last segment in the file: all that the loader and the kernel look at
  bytes build_id;                 ///< empty if there is none
  std::uint8_t isa_level = 0;     ///< N of x86-64-vN that the file says it needs; 0 if it says nothing
  std::string soname;
  std::vector<std::string> needed;   ///< DT_NEEDED, in order
  std::vector<elf_version> needs;    ///< strong entries of .gnu.version_r
  std::vector<std::string> defines;  ///< names in .gnu.version_d
};

result<elf_facts> read_elf(const elf_source& from);
/// The first 64 bytes of an ELF file, if they are one that this machine could have written.
result<Elf64_Ehdr> read_elf_header(const elf_source& from);

/// The GNU build id in the bytes of a PT_NOTE segment; empty if there is none.
bytes build_id_in_notes(byte_view notes, std::size_t alignment);

/// -1, 0, 1 for dotted numbers ("2.4" < "2.36"); missing parts count as 0.
int compare_versions(std::string_view a, std::string_view b);
/// The part behind `prefix` of the highest such name: highest_version({"GLIBC_2.4", "GLIBC_2.36"}, "GLIBC_") is "2.36".
/// Names that are no dotted number after the prefix ("GLIBC_PRIVATE") are passed over; empty if none is left.
std::string highest_version(const std::vector<std::string>& names, std::string_view prefix);

}  // namespace pp::code
