// From a location to a name that people know, out of the symbol tables of the program's own files.
//
// Promises: used only when something has failed, so nothing is read before. Files are read through the descriptors that
// the image holds, so a program that was built anew meanwhile gives no wrong names. Any bytes at all give names or none,
// never a crash or a large allocation. What was looked up is remembered.
// Threads: one at a time. Must not know: jobs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "code/elf.hpp"
#include "code/image.hpp"
#include "code/location.hpp"

namespace pp::code {

struct symbol {
  std::string name;          ///< as the linker knows it
  std::uint64_t offset = 0;  ///< where it begins, from the module's load address
};

/// For each of `offsets` the function it lies in; from .symtab, or from .dynsym where there is none.
std::vector<std::optional<symbol>> find_symbols(const elf_source& from, std::span<const std::uint64_t> offsets);

/// "fib(int)" for "_Z3fibi"; the names of the standard library's types made short, very long names cut.
std::string readable_name(const std::string& linker_name);
/// "main::{lambda(int)#1}" for the name of the decoder that was made for it; else empty.
std::string called_by(const std::string& readable_decoder_name);

class symbol_book {
 public:
  /// What a call calls: the function at `function`, or where that is none, what `decoder` was made for. Empty if the
  /// program has no names.
  std::string name_of_call(const image& of, location decoder, location function);
  /// Lines of a stack, innermost first: "fib(int) + 0x1c in myprog". It ends where `decoder` called, because
  /// below that are frames of ours; what lies outside of the program is one line for all that follow each other.
  std::vector<std::string> describe_stack(const image& of, std::span<const location> stack, location decoder,
                                          location function);

 private:
  const std::optional<symbol>& symbol_at(const image& of, location where);
  void learn(const image& of, std::span<const location> wanted);
  std::string describe_frame(const image& of, location where, const std::optional<symbol>& in);

  using key = std::pair<image_id, location>;
  std::map<key, std::optional<symbol>> known_;
};

}  // namespace pp::code
