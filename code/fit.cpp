#include "code/fit.hpp"

#include <elf.h>

#include "code/elf.hpp"

namespace pp::code {
namespace {

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "AArch64 (ARM, 64 bits)";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "POWER (64 bits)";
    case EM_S390: return "s390x";
    case 258: return "LoongArch";
    case EM_NONE: return "an unknown processor";
    default: return "processor type " + std::to_string(machine) + " (ELF e_machine)";
  }
}

std::string isa_name(std::uint8_t level) { return level <= 1 ? "x86-64" : "x86-64-v" + std::to_string(level); }

/// `asked` and `offered` are versions of one thing; empty asked = nothing needed.
std::optional<std::string> too_old(const std::string& asked, const std::string& offered, const std::string& what,
                                   const std::string& advice) {
  if (asked.empty() || (!offered.empty() && compare_versions(asked, offered) <= 0)) return std::nullopt;
  return "the program needs " + what + asked + ", the node has " + (offered.empty() ? "none" : what + offered) + ": " +
         advice;
}

}  // namespace

std::optional<std::string> why_unfit(const needs& program, const platform& node) {
  if (program.machine != node.machine) {
    return "the program is built for " + machine_name(program.machine) + ", the node is " + machine_name(node.machine) +
           ": run the same program, built for it, on such a machine";
  }
  if (program.isa_level > node.isa_level) {
    return "the program needs a processor of level " + isa_name(program.isa_level) + ", the node has " +
           isa_name(node.isa_level) + ": build with -march=" + isa_name(node.isa_level);
  }
  const std::string older = "build on the older system or link with -static-pie";
  const std::string own_library = "build on the older system or link with -static-libstdc++ -static-libgcc";
  if (auto why = too_old(program.glibc, node.glibc, "glibc ", older)) return why;
  if (auto why = too_old(program.glibcxx, node.glibcxx, "libstdc++ with GLIBCXX_", own_library)) return why;
  return too_old(program.cxxabi, node.cxxabi, "libstdc++ with CXXABI_", own_library);
}

}  // namespace pp::code
