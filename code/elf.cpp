#include "code/elf.hpp"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>

namespace pp::code {
namespace {

// Far above anything that is linked in earnest; only there to bound work on hostile files.
constexpr std::size_t max_segments = 4096;
constexpr std::size_t max_note_bytes = 1 << 20U;
constexpr std::size_t max_dynamic_entries = 1 << 16U;
constexpr std::size_t max_version_records = 1 << 14U;
constexpr std::size_t max_name = 4096;

constexpr std::uint32_t isa_needed_property = 0xc0008002;  // GNU_PROPERTY_X86_ISA_1_NEEDED

template <class T>
std::optional<T> read_struct(const elf_source& from, std::uint64_t offset) {
  T out;
  if (!from(offset, {reinterpret_cast<std::uint8_t*>(&out), sizeof out})) return std::nullopt;
  return out;
}

template <class T>
T load(byte_view from) {
  T out;
  std::memcpy(&out, from.data(), sizeof out);
  return out;
}

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

bool is_native(const Elf64_Ehdr& h) {
  constexpr auto native = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  return std::memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 && h.e_ident[EI_CLASS] == ELFCLASS64 &&
         h.e_ident[EI_DATA] == native && (h.e_type == ET_EXEC || h.e_type == ET_DYN) &&
         h.e_phentsize == sizeof(Elf64_Phdr);
}

/// Calls `visit(type, name, description)` for each note until one is cut short.
template <class F>
void for_each_note(byte_view notes, std::size_t alignment, F&& visit) {
  const std::size_t align = alignment == 8 ? 8 : 4;
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    const auto head = load<Elf64_Nhdr>(notes);
    const std::size_t description = round_up(sizeof head + std::size_t{head.n_namesz}, align);
    const std::size_t end = description + head.n_descsz;
    if (head.n_namesz > notes.size() || head.n_descsz > notes.size() || end > notes.size()) return;
    visit(head.n_type, notes.subspan(sizeof head, head.n_namesz), notes.subspan(description, head.n_descsz));
    notes = notes.subspan(std::min(notes.size(), round_up(end, align)));
  }
}

bool is_gnu(byte_view name) { return name.size() == 4 && std::memcmp(name.data(), "GNU", 4) == 0; }

/// The level of the highest bit that the psABI defines: bit 0 baseline, 1 v2, 2 v3, 3 v4.
std::uint8_t level_of(std::uint32_t isa_bits) { return static_cast<std::uint8_t>(std::bit_width(isa_bits & 15U)); }

std::uint8_t isa_level_in_properties(byte_view list) {
  while (list.size() >= 8) {
    const auto type = load<std::uint32_t>(list);
    const std::size_t size = load<std::uint32_t>(list.subspan(4));
    if (size > list.size() - 8) return 0;
    if (type == isa_needed_property && size == 4) return level_of(load<std::uint32_t>(list.subspan(8)));
    list = list.subspan(std::min(list.size(), 8 + round_up(size, 8)));
  }
  return 0;
}

/// Reads one file into elf_facts, piece by piece.
class parser {
 public:
  explicit parser(const elf_source& from) : from_(from) {}

  result<elf_facts> run() {
    const auto header = read_elf_header(from_);
    if (!header) return header.error();
    facts_.header = *header;
    if (!read_segments() || !read_notes() || !read_dynamic()) return malformed();
    return std::move(facts_);
  }

 private:
  bool read_segments() {
    const auto& h = facts_.header;
    if (h.e_phnum == 0 || h.e_phnum > max_segments) return false;
    facts_.segments.resize(h.e_phnum);
    const std::size_t table = h.e_phnum * sizeof(Elf64_Phdr);
    if (h.e_phoff > UINT64_MAX - table) return false;
    if (!from_(h.e_phoff, {reinterpret_cast<std::uint8_t*>(facts_.segments.data()), table})) return false;
    facts_.loaded_size = std::max<std::uint64_t>(sizeof h, h.e_phoff + table);
    return std::all_of(facts_.segments.begin(), facts_.segments.end(),
                       [this](const auto& s) { return add_segment(s); });
  }

  bool add_segment(const Elf64_Phdr& s) {
    if (s.p_type == PT_NULL || s.p_filesz == 0) return true;
    if (s.p_offset > UINT64_MAX - s.p_filesz || s.p_vaddr > UINT64_MAX - s.p_filesz) return false;
    facts_.loaded_size = std::max(facts_.loaded_size, s.p_offset + s.p_filesz);
    std::uint8_t last = 0;
    return from_(s.p_offset + s.p_filesz - 1, {&last, 1});  // a file that was cut short is refused here
  }

  bool read_notes() {
    for (const auto& s : facts_.segments) {
      if (s.p_type != PT_NOTE || s.p_filesz == 0) continue;
      if (s.p_filesz > max_note_bytes) return false;
      bytes notes(s.p_filesz);
      if (!from_(s.p_offset, notes)) return false;
      read_note_segment(notes, s.p_align);
    }
    return true;
  }

  void read_note_segment(byte_view notes, std::size_t alignment) {
    if (facts_.build_id.empty()) facts_.build_id = build_id_in_notes(notes, alignment);
    for_each_note(notes, alignment, [this](std::uint32_t type, byte_view name, byte_view text) {
      if (type == NT_GNU_PROPERTY_TYPE_0 && is_gnu(name) && facts_.header.e_machine == EM_X86_64) {
        facts_.isa_level = std::max(facts_.isa_level, isa_level_in_properties(text));
      }
    });
  }

  bool read_dynamic() {
    const auto found = std::find_if(facts_.segments.begin(), facts_.segments.end(),
                                    [](const auto& s) { return s.p_type == PT_DYNAMIC; });
    if (found == facts_.segments.end()) return true;  // -static
    std::vector<std::uint64_t> needed;
    const std::size_t count = std::min<std::uint64_t>(found->p_filesz / sizeof(Elf64_Dyn), max_dynamic_entries);
    for (std::size_t i = 0; i < count; ++i) {
      const auto entry = read_struct<Elf64_Dyn>(from_, found->p_offset + i * sizeof(Elf64_Dyn));
      if (!entry) return false;
      if (entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_NEEDED) needed.push_back(entry->d_un.d_val);
      dynamic_[entry->d_tag] = entry->d_un.d_val;
    }
    return read_names(needed) && read_needed_versions() && read_defined_versions();
  }

  bool read_names(const std::vector<std::uint64_t>& needed) {
    for (const auto offset : needed) {
      auto name = text_at(offset);
      if (!name) return false;
      facts_.needed.push_back(std::move(*name));
    }
    if (!dynamic_.contains(DT_SONAME)) return true;
    auto name = text_at(dynamic_[DT_SONAME]);
    if (!name) return false;
    facts_.soname = std::move(*name);
    return true;
  }

  bool read_needed_versions() {
    if (!dynamic_.contains(DT_VERNEED)) return true;
    std::uint64_t at = dynamic_[DT_VERNEED];
    for (std::uint64_t left = dynamic_[DT_VERNEEDNUM]; left > 0; --left) {
      const auto need = struct_at<Elf64_Verneed>(at);
      const auto library = need ? text_at(need->vn_file) : std::nullopt;
      if (!library || !read_versions_of(*library, at + need->vn_aux, need->vn_cnt)) return false;
      if (need->vn_next == 0) break;
      at += need->vn_next;
    }
    return true;
  }

  bool read_versions_of(const std::string& library, std::uint64_t at, std::size_t count) {
    for (; count > 0; --count) {
      const auto aux = struct_at<Elf64_Vernaux>(at);
      const auto name = aux ? text_at(aux->vna_name) : std::nullopt;
      if (!name) return false;
      // The loader only warns when a weak version is missing.
      if ((aux->vna_flags & VER_FLG_WEAK) == 0) facts_.needs.push_back({library, *name});
      if (aux->vna_next == 0) break;
      at += aux->vna_next;
    }
    return true;
  }

  bool read_defined_versions() {
    if (!dynamic_.contains(DT_VERDEF)) return true;
    std::uint64_t at = dynamic_[DT_VERDEF];
    for (std::uint64_t left = dynamic_[DT_VERDEFNUM]; left > 0; --left) {
      const auto definition = struct_at<Elf64_Verdef>(at);
      const auto aux = definition ? struct_at<Elf64_Verdaux>(at + definition->vd_aux) : std::nullopt;
      auto name = aux ? text_at(aux->vda_name) : std::nullopt;
      if (!name) return false;
      facts_.defines.push_back(std::move(*name));
      if (definition->vd_next == 0) break;
      at += definition->vd_next;
    }
    return true;
  }

  /// A record at a virtual address. Counted, so that chains that run in circles end.
  template <class T>
  std::optional<T> struct_at(std::uint64_t address) {
    const auto offset = file_offset(address, sizeof(T));
    if (!offset || ++records_ > max_version_records) return std::nullopt;
    return read_struct<T>(from_, *offset);
  }

  std::optional<std::uint64_t> file_offset(std::uint64_t address, std::uint64_t size) const {
    for (const auto& s : facts_.segments) {
      if (s.p_type != PT_LOAD || address < s.p_vaddr || address - s.p_vaddr >= s.p_filesz) continue;
      if (size > s.p_filesz - (address - s.p_vaddr)) continue;
      return s.p_offset + (address - s.p_vaddr);
    }
    return std::nullopt;
  }

  /// A zero-ended text of the dynamic string table.
  std::optional<std::string> text_at(std::uint64_t index) {
    const std::uint64_t size = dynamic_[DT_STRSZ];
    if (index >= size) return std::nullopt;
    const auto offset = file_offset(dynamic_[DT_STRTAB], size);
    if (!offset) return std::nullopt;
    std::string text(std::min<std::uint64_t>(size - index, 64), '\0');
    while (true) {
      if (!from_(*offset + index, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()})) return std::nullopt;
      if (const auto end = text.find('\0'); end != text.npos) return text.substr(0, end);
      const auto longer = std::min<std::uint64_t>(size - index, text.size() * 2);
      if (longer == text.size() || longer > max_name) return std::nullopt;
      text.assign(longer, '\0');
    }
  }

  const elf_source& from_;
  elf_facts facts_;
  std::map<std::int64_t, std::uint64_t> dynamic_;
  std::size_t records_ = 0;
};

bool is_dotted_number(std::string_view text) {
  return !text.empty() && text.front() != '.' && text.back() != '.' &&
         text.find_first_not_of("0123456789.") == text.npos;
}

/// Takes the first number off a dotted text; 0 when nothing is left.
std::uint64_t next_part(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t i = 0;
  for (; i < text.size() && text[i] != '.'; ++i) {
    if (text[i] >= '0' && text[i] <= '9' && value < 1'000'000'000) {
      value = value * 10 + static_cast<std::uint64_t>(text[i] - '0');
    }
  }
  text.remove_prefix(std::min(text.size(), i + 1));
  return value;
}

}  // namespace

elf_source elf_in_memory(byte_view file) {
  return [file](std::uint64_t offset, mutable_byte_view to) {
    if (offset > file.size() || to.size() > file.size() - offset) return false;
    if (!to.empty()) std::memcpy(to.data(), file.data() + offset, to.size());
    return true;
  };
}

elf_source elf_in_file(int fd) {
  return [fd](std::uint64_t offset, mutable_byte_view to) {
    while (!to.empty()) {
      if (offset > static_cast<std::uint64_t>(INT64_MAX)) return false;
      const ssize_t got = ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      offset += static_cast<std::uint64_t>(got);
      to = to.subspan(static_cast<std::size_t>(got));
    }
    return true;
  };
}

result<Elf64_Ehdr> read_elf_header(const elf_source& from) {
  const auto header = read_struct<Elf64_Ehdr>(from, 0);
  if (!header || !is_native(*header)) return malformed();
  return *header;
}

result<elf_facts> read_elf(const elf_source& from) { return parser(from).run(); }

bytes build_id_in_notes(byte_view notes, std::size_t alignment) {
  bytes out;
  for_each_note(notes, alignment, [&out](std::uint32_t type, byte_view name, byte_view text) {
    if (type == NT_GNU_BUILD_ID && is_gnu(name) && out.empty() && text.size() <= 64)
      out.assign(text.begin(), text.end());
  });
  return out;
}

int compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const auto x = next_part(a);
    const auto y = next_part(b);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

std::string highest_version(const std::vector<std::string>& names, std::string_view prefix) {
  std::string_view best;
  for (const std::string_view name : names) {
    if (!name.starts_with(prefix) || !is_dotted_number(name.substr(prefix.size()))) continue;
    if (compare_versions(name.substr(prefix.size()), best) > 0) best = name.substr(prefix.size());
  }
  return std::string(best);
}

}  // namespace pp::code
