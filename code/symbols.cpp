#include "code/symbols.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

namespace pp::code {
namespace {

// Far above anything that is linked in earnest; only there to bound work on hostile files.
constexpr std::uint64_t max_symbols = 1 << 24U;
constexpr std::size_t max_linker_name = 16 * 1024;
constexpr std::size_t max_readable = 240;
constexpr std::size_t max_known = 4096;
constexpr std::size_t symbols_at_once = 1024;

template <class T>
bool read_array(const elf_source& from, std::uint64_t offset, std::span<T> to) {
  return from(offset, {reinterpret_cast<std::uint8_t*>(to.data()), to.size_bytes()});
}

struct table {
  std::uint64_t offset = 0, count = 0;              ///< of symbols
  std::uint64_t names_offset = 0, names_bytes = 0;  ///< of the texts
};

bool is_table(const Elf64_Shdr& s, std::uint32_t type, std::size_t sections) {
  return s.sh_type == type && s.sh_entsize == sizeof(Elf64_Sym) && s.sh_link < sections;
}

std::optional<table> find_table(const elf_source& from) {
  const auto header = read_elf_header(from);
  if (!header || header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shnum == 0) return std::nullopt;
  std::vector<Elf64_Shdr> sections(header->e_shnum);
  if (!read_array(from, header->e_shoff, std::span(sections))) return std::nullopt;
  for (const std::uint32_t type : {SHT_SYMTAB, SHT_DYNSYM}) {
    for (const auto& s : sections) {
      if (!is_table(s, type, sections.size())) continue;
      const auto& names = sections[s.sh_link];
      return table{s.sh_offset, std::min(s.sh_size / sizeof(Elf64_Sym), max_symbols), names.sh_offset, names.sh_size};
    }
  }
  return std::nullopt;
}

bool is_function(const Elf64_Sym& s) {
  const auto type = ELF64_ST_TYPE(s.st_info);
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && s.st_shndx != SHN_UNDEF && s.st_value != 0;
}

bool covers(const Elf64_Sym& s, std::uint64_t offset) {
  return is_function(s) && offset >= s.st_value && offset - s.st_value < std::max<std::uint64_t>(s.st_size, 1);
}

/// Several names for one function are common; the global one is what people wrote.
bool is_better(const Elf64_Sym& a, const std::optional<Elf64_Sym>& b) {
  return !b || (ELF64_ST_BIND(b->st_info) == STB_LOCAL && ELF64_ST_BIND(a.st_info) != STB_LOCAL);
}

std::optional<std::string> name_of(const elf_source& from, const table& t, const Elf64_Sym& s) {
  if (s.st_name >= t.names_bytes || t.names_offset > UINT64_MAX - t.names_bytes) return std::nullopt;
  const std::uint64_t most = std::min<std::uint64_t>(t.names_bytes - s.st_name, max_linker_name);
  std::string text(std::min<std::uint64_t>(most, 128), '\0');
  for (;;) {
    if (!read_array(from, t.names_offset + s.st_name, std::span(text))) return std::nullopt;
    if (const auto end = text.find('\0'); end != text.npos) return text.substr(0, end);
    if (text.size() == most) return std::nullopt;
    text.assign(std::min<std::uint64_t>(most, text.size() * 2), '\0');
  }
}

/// Reads the table piece by piece: it may be larger than one would like to hold.
template <class Visit>
void for_each_symbol(const elf_source& from, const table& t, Visit&& visit) {
  std::vector<Elf64_Sym> some(symbols_at_once);
  for (std::uint64_t done = 0; done < t.count; done += some.size()) {
    some.resize(std::min<std::uint64_t>(symbols_at_once, t.count - done));
    if (t.offset > UINT64_MAX - done * sizeof(Elf64_Sym)) return;
    if (!read_array(from, t.offset + done * sizeof(Elf64_Sym), std::span(some))) return;
    std::for_each(some.begin(), some.end(), visit);
  }
}

void replace_all(std::string& in, std::string_view what, std::string_view by) {
  for (auto at = in.find(what); at != in.npos; at = in.find(what, at + by.size())) in.replace(at, what.size(), by);
}

/// Where the template argument that begins at `from` ends: at a comma or bracket that belongs to nothing inside.
std::size_t end_of_argument(std::string_view text, std::size_t from) {
  int depth = 0;
  for (std::size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_arrow = c == '>' && i > 0 && text[i - 1] == '-';
    if (depth == 0 && (c == ',' || (c == '>' && !is_arrow))) return i;
    if (c == '<' || c == '(' || c == '{' || c == '[') ++depth;
    if ((c == '>' && !is_arrow) || c == ')' || c == '}' || c == ']') --depth;
  }
  return text.size();
}

/// ", std::allocator<X>" adds nothing for a reader; X may itself be long.
void drop_allocators(std::string& in) {
  constexpr std::string_view begin = ", std::allocator<";
  for (auto at = in.find(begin); at != in.npos; at = in.find(begin, at)) {
    const auto end = end_of_argument(in, at + begin.size());
    in.erase(at, std::min(in.size(), end + 1) - at);
  }
}

std::string in_hexadecimal(std::uint64_t n) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(n));
  return text;
}

bool is_in(const image& of, location where) {
  return marker_of(where) != 0 && marker_of(where) != virtual_marker && module_of(where) < of.contents().modules.size();
}

/// A caller's address is where it goes on, which may be behind its last instruction.
location inside_of_call(std::size_t frame, location where) { return frame == 0 || where == 0 ? where : where - 1; }

}  // namespace

std::vector<std::optional<symbol>> find_symbols(const elf_source& from, std::span<const std::uint64_t> offsets) {
  std::vector<std::optional<symbol>> out(offsets.size());
  const auto found = find_table(from);
  if (!found) return out;
  std::vector<std::optional<Elf64_Sym>> best(offsets.size());
  for_each_symbol(from, *found, [&](const Elf64_Sym& s) {
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      if (covers(s, offsets[i]) && is_better(s, best[i])) best[i] = s;
    }
  });
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    auto name = best[i] ? name_of(from, *found, *best[i]) : std::nullopt;
    if (name) out[i] = symbol{std::move(*name), best[i]->st_value};
  }
  return out;
}

std::string readable_name(const std::string& linker_name) {
  int status = 0;
  char* text = abi::__cxa_demangle(linker_name.c_str(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : linker_name;
  std::free(text);
  replace_all(name, "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string");
  replace_all(name, "std::basic_string_view<char, std::char_traits<char> >", "std::string_view");
  replace_all(name, "std::__cxx11::", "std::");
  replace_all(name, "[abi:cxx11]", "");
  replace_all(name, "(anonymous namespace)::", "");
  drop_allocators(name);
  replace_all(name, " >", ">");
  return name;
}

std::string called_by(const std::string& decoder) {
  for (const std::string_view kind : {"object", "member", "data_member"}) {
    for (const std::string_view form : {"_decoder<", "_chunk<"}) {
      const std::string begin = "pp::detail::" + std::string(kind) + std::string(form);
      const auto at = decoder.find(begin);
      if (at == decoder.npos) continue;
      const auto from = at + begin.size();
      return decoder.substr(from, end_of_argument(decoder, from) - from);
    }
  }
  return {};
}

namespace {

std::string shortened(std::string name) {
  if (name.size() <= max_readable) return name;
  return name.substr(0, max_readable - 3) + "...";
}

}  // namespace

void symbol_book::learn(const image& of, std::span<const location> wanted) {
  if (known_.size() > max_known) known_.clear();
  std::map<std::uint16_t, std::set<std::uint64_t>> missing;
  for (const location where : wanted) {
    if (is_in(of, where) && !known_.contains({of.id(), where})) missing[module_of(where)].insert(offset_of(where));
  }
  for (const auto& [module, set] : missing) {
    const std::vector<std::uint64_t> offsets(set.begin(), set.end());
    auto found = find_symbols(elf_in_file(of.descriptor(module)), offsets);
    for (std::size_t i = 0; i < offsets.size(); ++i)
      known_[{of.id(), make_location(module, offsets[i])}] = std::move(found[i]);
  }
}

const std::optional<symbol>& symbol_book::symbol_at(const image& of, location where) {
  static const std::optional<symbol> none;
  const auto found = known_.find({of.id(), where});
  return found != known_.end() ? found->second : none;
}

std::string symbol_book::name_of_call(const image& of, location decoder, location function) {
  learn(of, std::vector<location>{decoder, function});
  if (const auto& called = symbol_at(of, function)) return shortened(readable_name(called->name));
  const auto& through = symbol_at(of, decoder);
  return through ? shortened(called_by(readable_name(through->name))) : std::string();
}

std::string symbol_book::describe_frame(const image& of, location where, const std::optional<symbol>& in) {
  const std::string place = " in " + of.contents().modules[module_of(where)].name;
  if (!in) return in_hexadecimal(offset_of(where)) + place;
  return shortened(readable_name(in->name)) + " + " + in_hexadecimal(offset_of(where) - in->offset) + place;
}

std::vector<std::string> symbol_book::describe_stack(const image& of, std::span<const location> stack, location decoder,
                                                     location function) {
  std::vector<location> wanted;
  for (std::size_t i = 0; i < stack.size(); ++i) wanted.push_back(inside_of_call(i, stack[i]));
  learn(of, wanted);
  const std::string outside = "(outside of the program)";
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    const std::optional<symbol> in = symbol_at(of, wanted[i]);
    if (in && make_location(module_of(wanted[i]), in->offset) == decoder) {
      // The compiler puts small lambdas into their decoder.
      const std::string called = name_of_call(of, decoder, function);
      if (lines.empty() || !lines.back().starts_with(called))
        lines.push_back(called + " in " + of.contents().modules[module_of(decoder)].name);
      break;
    }
    if (is_in(of, stack[i])) {
      lines.push_back(describe_frame(of, stack[i], in));
    } else if (lines.empty() || lines.back() != outside) {
      lines.push_back(outside);
    }
  }
  return lines;
}

}  // namespace pp::code
