#include "code/module_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "code/manifest.hpp"
#include "pp/error.hpp"

namespace pp::code {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

/// The ELF header as shipped: no section headers.
Elf64_Ehdr without_sections(Elf64_Ehdr h) {
  h.e_shoff = 0;
  h.e_shnum = 0;
  h.e_shstrndx = 0;
  return h;
}

bool same_segments(const std::vector<Elf64_Phdr>& a, const std::vector<Elf64_Phdr>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Elf64_Phdr)) == 0;
}

/// Executable segments are never written to by the loader, so memory and file agree if they are the same.
bool same_code(const module_file& file, const loaded_module& m) {
  bytes piece(piece_bytes);
  for (const auto& s : m.segments) {
    if (s.p_type != PT_LOAD || (s.p_flags & PF_X) == 0 || (s.p_flags & PF_R) == 0) continue;
    for (std::uint64_t done = 0; done < s.p_filesz; done += piece.size()) {
      piece.resize(std::min<std::uint64_t>(piece_bytes, s.p_filesz - done));
      file.read(s.p_offset + done, piece);
      if (std::memcmp(piece.data(), reinterpret_cast<const void*>(m.base + s.p_vaddr + done), piece.size()) != 0)
        return false;
    }
  }
  return true;
}

}  // namespace

module_file::module_file(descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {
  auto facts = read_elf(elf_in_file(fd_.get()));
  if (!facts) {
    throw error(errc::not_shippable,
                path_ + " is no complete 64-bit ELF file of this machine's byte order: build it anew");
  }
  facts_ = std::move(*facts);
  if (facts_.loaded_size > max_module_bytes) {
    throw error(errc::not_shippable,
                path_ + " is larger than 4 GiB without its debug sections: move data out of the program");
  }
}

module_file module_file::open(const std::string& path) {
  descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    throw error(errc::not_shippable, "cannot read " + path + ", which this program has loaded: " +
                                         std::generic_category().message(errno) + "; start the program again");
  }
  return {std::move(fd), path};
}

void module_file::read(std::uint64_t offset, mutable_byte_view to) const {
  const bool inside = offset <= size() && to.size() <= size() - offset;
  if (!inside || !elf_in_file(fd_.get())(offset, to)) {
    throw error(errc::not_shippable, "cannot read " + path_ + " in full: was it changed while this program runs?");
  }
  if (offset >= sizeof(Elf64_Ehdr)) return;
  const auto header = without_sections(facts_.header);
  const auto count = std::min<std::uint64_t>(sizeof header - offset, to.size());
  std::memcpy(to.data(), reinterpret_cast<const std::uint8_t*>(&header) + offset, count);
}

auth::digest module_file::content_hash() const {
  auth::sha256_stream hash;
  bytes piece(piece_bytes);
  for (std::uint64_t done = 0; done < size(); done += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece_bytes, size() - done));
    read(done, piece);
    hash.update(piece);
  }
  return hash.finish();
}

bool is_mapped_as(const module_file& file, const loaded_module& m) {
  const auto in_memory = build_id_of(m);
  if (in_memory != file.facts().build_id) return false;
  if (!in_memory.empty()) return true;
  return same_segments(file.facts().segments, m.segments) && same_code(file, m);
}

}  // namespace pp::code
