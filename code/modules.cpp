#include "code/modules.hpp"

#include <link.h>
#include <sys/auxv.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "code/elf.hpp"

namespace pp::code {
namespace {

struct raw_module {
  std::string path;
  std::uintptr_t base;
  std::vector<Elf64_Phdr> segments;
};

int add_raw(dl_phdr_info* info, std::size_t, void* to) {
  raw_module m{info->dlpi_name != nullptr ? info->dlpi_name : "", info->dlpi_addr, {}};
  m.segments.assign(info->dlpi_phdr, info->dlpi_phdr + info->dlpi_phnum);
  static_cast<std::vector<raw_module>*>(to)->push_back(std::move(m));
  return 0;
}

bool covers(std::uintptr_t base, const std::vector<Elf64_Phdr>& segments, std::uintptr_t address) {
  return std::any_of(segments.begin(), segments.end(), [&](const Elf64_Phdr& s) {
    return s.p_type == PT_LOAD && address >= base + s.p_vaddr && address - (base + s.p_vaddr) < s.p_memsz;
  });
}

bool auxiliary_in(const raw_module& m, unsigned long type) {
  const auto address = getauxval(type);
  return address != 0 && covers(m.base, m.segments, address);
}

/// glibc's parts work only with the loader they were built with, which is always the machine's own.
bool is_part_of_glibc(std::string_view name) {
  constexpr std::array<std::string_view, 8> names = {"libc.so.6",  "libm.so.6",      "libpthread.so.0", "libdl.so.2",
                                                     "librt.so.1", "libresolv.so.2", "libmvec.so.1",    "libutil.so.1"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The file that is mapped at `address`, from /proc/self/maps: for objects that were opened by a relative name.
std::optional<std::string> mapped_path(std::uintptr_t address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> from >> dash >> to;
    const auto slash = line.find('/');
    if (address >= from && address < to && slash != line.npos) return line.substr(slash);
  }
  return std::nullopt;
}

std::string absolute_path(const raw_module& m) {
  if (m.path.starts_with('/')) return m.path;
  const auto load =
      std::find_if(m.segments.begin(), m.segments.end(), [](const auto& s) { return s.p_type == PT_LOAD; });
  if (load == m.segments.end()) return m.path;
  return mapped_path(m.base + load->p_vaddr).value_or(m.path);
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

bool loaded_module::contains(std::uintptr_t address) const { return covers(base, segments, address); }

std::vector<loaded_module> loaded_modules() {
  std::vector<raw_module> raw;
  dl_iterate_phdr(add_raw, &raw);
  std::vector<loaded_module> out;
  for (auto& m : raw) {
    // A static program is listed too, and a vdso may have no name: only the auxiliary vector tells them apart.
    const bool is_program = auxiliary_in(m, AT_PHDR);
    const std::string name = last_part(m.path);
    if (!is_program &&
        (m.path.empty() || auxiliary_in(m, AT_SYSINFO_EHDR) || auxiliary_in(m, AT_BASE) || is_part_of_glibc(name))) {
      continue;
    }
    loaded_module found{is_program, is_program ? "/proc/self/exe" : absolute_path(m), name, m.base,
                        std::move(m.segments)};
    out.insert(is_program ? out.begin() : out.end(), std::move(found));
  }
  return out;
}

bytes build_id_of(const loaded_module& m) {
  for (const auto& s : m.segments) {
    const auto from = m.base + s.p_vaddr;
    if (s.p_type != PT_NOTE || s.p_memsz == 0 || !m.contains(from) || !m.contains(from + s.p_memsz - 1)) continue;
    auto id = build_id_in_notes({reinterpret_cast<const std::uint8_t*>(from), s.p_memsz}, s.p_align);
    if (!id.empty()) return id;
  }
  return {};
}

bool is_system_path(std::string_view path) {
  const auto normal = std::filesystem::path(path).lexically_normal().string();
  constexpr std::array<std::string_view, 5> folders = {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/"};
  return std::any_of(folders.begin(), folders.end(), [&](auto folder) { return normal.starts_with(folder); });
}

}  // namespace pp::code
