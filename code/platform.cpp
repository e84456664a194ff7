#include "code/platform.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/utsname.h>

#include <array>
#include <string_view>
#include <vector>

#include "code/descriptor.hpp"
#include "code/elf.hpp"
#include "code/modules.hpp"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pp::code {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t this_machine = EM_X86_64;
constexpr const char* library_folder = "x86_64-linux-gnu";
#elif defined(__aarch64__)
constexpr std::uint16_t this_machine = EM_AARCH64;
constexpr const char* library_folder = "aarch64-linux-gnu";
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint16_t this_machine = EM_RISCV;
constexpr const char* library_folder = "riscv64-linux-gnu";
#elif defined(__powerpc64__)
constexpr std::uint16_t this_machine = EM_PPC64;
constexpr const char* library_folder = "powerpc64le-linux-gnu";
#elif defined(__s390x__)
constexpr std::uint16_t this_machine = EM_S390;
constexpr const char* library_folder = "s390x-linux-gnu";
#else
#error "pp does not know this processor's ELF number: add it here"
#endif

#if defined(__x86_64__)
/// What the processor and the kernel offer; the compiler's own built-ins do not know the levels in Clang 14.
cpu_features read_cpu() {
  cpu_features f;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) != 0) f.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) f.leaf7_ebx = b;
  if (__get_cpuid(0x80000001, &a, &b, &c, &d) != 0) f.extended_ecx = c;
  if ((f.leaf1_ecx & bit_OSXSAVE) != 0) {
    unsigned low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    f.enabled_state = low;
  }
  return f;
}
#endif

std::uint8_t this_isa_level() {
#if defined(__x86_64__)
  return isa_level_of(read_cpu());
#else
  return 0;
#endif
}

std::string os_text() {
  utsname u{};
  if (uname(&u) != 0) return "Linux";
  return std::string(u.sysname) + " " + u.release + " " + u.machine;
}

std::vector<std::string> versions_defined_by(const std::string& path) {
  const descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  auto facts = read_elf(elf_in_file(fd.get()));
  return facts ? std::move(facts->defines) : std::vector<std::string>{};
}

/// What the machine's own copy of a library defines, wherever this program has got its copy from: workers look in the
/// system's folders only, whatever a daemon was linked with.
std::vector<std::string> system_versions(const std::string& library) {
  for (const auto& m : loaded_modules()) {
    if (!m.is_program && m.name == library && is_system_path(m.path)) return versions_defined_by(m.path);
  }
  const std::array<std::string, 6> folders = {std::string("/lib/") + library_folder,
                                              std::string("/usr/lib/") + library_folder,
                                              "/lib64",
                                              "/usr/lib64",
                                              "/lib",
                                              "/usr/lib"};
  for (const auto& folder : folders) {
    auto found = versions_defined_by(folder + "/" + library);
    if (!found.empty()) return found;
  }
  return {};
}

platform read_platform() {
  platform p;
  p.machine = this_machine;
  p.isa_level = this_isa_level();
  p.os = os_text();
  p.glibc = highest_version(system_versions("libc.so.6"), "GLIBC_");
  const auto cxx = system_versions("libstdc++.so.6");
  p.glibcxx = highest_version(cxx, "GLIBCXX_");
  p.cxxabi = highest_version(cxx, "CXXABI_");
  return p;
}

}  // namespace

std::uint8_t isa_level_of(const cpu_features& f) {
  const auto has = [](std::uint32_t word, std::uint32_t bits) { return (word & bits) == bits; };
  // System V x86-64 psABI, table 3.1; the bit numbers are those of CPUID.
  constexpr std::uint32_t v2_leaf1 = 1U << 0U | 1U << 9U | 1U << 13U | 1U << 19U | 1U << 20U | 1U << 23U;
  constexpr std::uint32_t v3_leaf1 = 1U << 12U | 1U << 22U | 1U << 27U | 1U << 28U | 1U << 29U;
  constexpr std::uint32_t v3_leaf7 = 1U << 3U | 1U << 5U | 1U << 8U;
  constexpr std::uint32_t v4_leaf7 = 1U << 16U | 1U << 17U | 1U << 28U | 1U << 30U | 1U << 31U;
  constexpr std::uint32_t lahf = 1U << 0U, lzcnt = 1U << 5U;
  constexpr std::uint32_t avx_state = 0x06, avx512_state = 0xE6;  // what the kernel must save: XCR0
  if (!has(f.leaf1_ecx, v2_leaf1) || !has(f.extended_ecx, lahf)) return 1;
  const bool v3 = has(f.leaf1_ecx, v3_leaf1) && has(f.leaf7_ebx, v3_leaf7) && has(f.extended_ecx, lzcnt);
  if (!v3 || !has(f.enabled_state, avx_state)) return 2;
  return has(f.leaf7_ebx, v4_leaf7) && has(f.enabled_state, avx512_state) ? 4 : 3;
}

const platform& this_platform() {
  static const platform once = read_platform();
  return once;
}

}  // namespace pp::code
