// A key as text: the one line that a person can carry to another machine, and the column of a keyring file.
//
//   one line   56 characters of base32 (RFC 4648, no padding): 52 for the 32 bytes, the last 4 bits zero, then 4 for the first
//              20 bits of SHA-256("pp/1 key text" || 0x00 || key). Upper case; reading also takes lower case, and spaces or
//              hyphens between groups.
//   base64url  43 characters (RFC 4648, no padding), the last 2 bits zero: the keyring file
//
// Promises: pure; one key has one text; texts of keys live in `secret` only.
#pragma once

#include <optional>
#include <string_view>

#include "auth/secret.hpp"

namespace pp::auth {

inline constexpr std::size_t raw_key_size = 32;
inline constexpr std::size_t key_text_size = 56;
inline constexpr std::size_t base64_key_size = 43;

/// 56 characters. Requires: raw.size() == raw_key_size.
secret to_key_text(const secret& raw);
/// True if `text`, without spaces and hyphens, has the length and the letters of a key: then it is one, or a typing
/// error.
bool looks_like_key_text(std::string_view text);
/// Empty if a character, the length or the checksum is wrong.
std::optional<secret> from_key_text(std::string_view text);

/// 43 characters. Requires: raw.size() == raw_key_size.
secret to_base64url(const secret& raw);
std::optional<secret> from_base64url(std::string_view text);

}  // namespace pp::auth
