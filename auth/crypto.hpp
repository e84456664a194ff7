// SHA-256, HMAC, HKDF, scrypt, nonces, constant-time compare; with net/tls, the only includer of OpenSSL.
//
// Promises: algorithms are fetched from OpenSSL once per process; random_bytes never returns without randomness (it
// aborts instead). Sources: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), RFC 5869 (HKDF), RFC 7914 (scrypt).
// Threads: any.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "auth/secret.hpp"
#include "base/bytes.hpp"

namespace pp::auth {

inline constexpr std::size_t digest_size = 32;
using digest = std::array<std::uint8_t, digest_size>;

digest sha256(byte_view data);
digest sha256(std::initializer_list<byte_view> parts);

/// SHA-256 of bytes that come in pieces.
class sha256_stream {
 public:
  sha256_stream();
  ~sha256_stream();
  sha256_stream(sha256_stream&&) noexcept;
  sha256_stream& operator=(sha256_stream&&) noexcept;
  void update(byte_view piece);
  /// Call once; the stream is empty and may be used again afterwards.
  digest finish();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

digest hmac_sha256(byte_view key, std::initializer_list<byte_view> parts);
digest hkdf_extract(byte_view salt, byte_view input_key);
/// Requires: size <= 255 * 32.
secret hkdf_expand(byte_view prk, byte_view info, std::size_t size);
/// N = 2^17, r = 8, p = 1, 32 bytes; needs 128 MiB for about half a second.
secret scrypt(std::string_view passphrase, std::string_view salt);

void random_bytes(mutable_byte_view to);
/// For keys: from the generator that feeds nothing but secrets.
secret random_secret(std::size_t size);
template <std::size_t N>
std::array<std::uint8_t, N> random_array() {
  std::array<std::uint8_t, N> out;
  random_bytes(out);
  return out;
}
/// Overwrites in a way that the compiler keeps.
void erase(mutable_byte_view what);
/// Keeps OPENSSL_CONF and the system's openssl.cnf from loading anything into this process. For the daemon's main,
/// first thing; a library must not decide that for the program it lives in.
void ignore_openssl_config();

/// Same time for any content of equal length; false for different lengths.
bool constant_time_equal(byte_view a, byte_view b);

}  // namespace pp::auth
