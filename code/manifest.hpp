// An image as a list: the program and its own shared objects, each by SHA-256, and what they ask of a machine.
//
// Layout (inside IMAGE): u8 format = 1 · u16 machine · u8 ISA level · text glibc · text glibcxx · text cxxabi ·
//   u16 module count · per module: text name · u64 size · u8[32] SHA-256 · u8 build-id length ≤ 64 · build id
// Module 0 is the program. A name is a plain file name: no '/', no control character, not ".", "..", not empty, ≤ 255
// bytes, no two alike. A size is 1 to 4 GiB. A version is digits and dots, ≤ 32 bytes; empty = nothing is needed.
// The image's own id is the SHA-256 of these bytes. A node never uses a name from here as a path in its store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "code/platform.hpp"

namespace pp::code {

struct module_entry {
  std::string name;
  std::uint64_t size = 0;
  auth::digest content{};
  bytes build_id;
  bool operator==(const module_entry&) const = default;
};
struct manifest {
  needs asks;
  std::vector<module_entry> modules;
  bool operator==(const manifest&) const = default;
};

inline constexpr std::size_t max_modules = 512;
inline constexpr std::size_t max_name_bytes = 255;
inline constexpr std::uint64_t max_module_bytes = 4ULL << 30U;

using image_id = auth::digest;
/// Whether `name` can be the name of one file in a directory and nothing else.
bool is_plain_name(std::string_view name);
bytes encode_manifest(const manifest& m);
result<manifest> decode_manifest(byte_view from);
image_id id_of(byte_view encoded_manifest);

}  // namespace pp::code
