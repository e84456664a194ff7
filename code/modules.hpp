// The files that are loaded in this process now: where from, where to, and whose they are.
//
// Promises: the kernel's vdso, the dynamic loader and glibc's own libraries are never listed: they belong to the
// machine, and their order and addresses differ from start to start. The program is listed first.
// Threads: any; the list is a copy. Must not know: images, manifests.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace pp::code {

struct loaded_module {
  bool is_program = false;
  std::string path;         ///< as the loader found it, made absolute; "/proc/self/exe" for the program
  std::string name;         ///< what other modules call it: the last part of the loader's name for it
  std::uintptr_t base = 0;  ///< dlpi_addr
  std::vector<Elf64_Phdr> segments;

  bool contains(std::uintptr_t address) const;
};

std::vector<loaded_module> loaded_modules();
/// The GNU build id in memory; empty if there is none.
bytes build_id_of(const loaded_module& m);

/// Whether a file belongs to the operating system and is therefore expected on every node, not shipped.
bool is_system_path(std::string_view path);

}  // namespace pp::code
