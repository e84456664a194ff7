// An ELF file as it is shipped: its bytes up to the end of the last segment, with the references to section headers
// cleared.
//
// Promises: debug sections and symbol tables behind the last segment are neither read nor hashed nor sent, so a debug
// build travels as small as a stripped one and both give a runnable file. A file that is shorter than it says is an
// error, never zeros.
// Threads: const members from any thread. Must not know: who wants the file.
#pragma once

#include <string>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "code/descriptor.hpp"
#include "code/elf.hpp"
#include "code/modules.hpp"

namespace pp::code {

class module_file {
 public:
  /// Takes the descriptor; `path` is for messages only. Throws pp::error if this is no ELF file that can be shipped.
  module_file(descriptor fd, std::string path);
  /// Opens `path`.
  static module_file open(const std::string& path);

  const elf_facts& facts() const { return facts_; }
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return facts_.loaded_size; }
  int fd() const { return fd_.get(); }

  /// Throws pp::error if the file cannot be read or `offset + to.size()` is beyond size().
  void read(std::uint64_t offset, mutable_byte_view to) const;
  auth::digest content_hash() const;

 private:
  descriptor fd_;
  std::string path_;
  elf_facts facts_;
};

/// Whether `file` is what is mapped as `m`: by build id, or where there is none by segments and code.
bool is_mapped_as(const module_file& file, const loaded_module& m);

}  // namespace pp::code
