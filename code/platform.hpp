// What a machine offers a program and what a program asks of a machine, as values that travel.
//
// Promises: pure values. machine is the ELF e_machine; isa_level is N of x86-64-vN (0 on other machines); library
// versions are dotted texts ("2.36", "3.4.30") or empty when there is none.
#pragma once

#include <cstdint>
#include <string>

namespace pp::code {

/// What a node offers; also sent in WELCOME.
struct platform {
  std::uint16_t machine = 0;
  std::uint8_t isa_level = 0;
  std::string os;       ///< "Linux 6.1.0 x86_64"
  std::string glibc;    ///< "2.36"
  std::string glibcxx;  ///< highest GLIBCXX_x.y.z of libstdc++
  std::string cxxabi;   ///< highest CXXABI_x.y.z
};
/// What an image asks for; read from its ELF files.
struct needs {
  std::uint16_t machine = 0;
  std::uint8_t isa_level = 0;
  std::string glibc, glibcxx, cxxabi;
  bool operator==(const needs&) const = default;
};

/// CPUID words of an x86-64 processor, and XCR0.
struct cpu_features {
  std::uint32_t leaf1_ecx = 0, leaf7_ebx = 0, extended_ecx = 0, enabled_state = 0;
};
/// N of the highest x86-64-vN that has all its features here.
std::uint8_t isa_level_of(const cpu_features& f);

/// This machine. Computed once. The library versions are those of the system's own libraries, whatever this program was
/// linked with, because that is what workers get.
const platform& this_platform();

}  // namespace pp::code
