#include "auth/crypto.hpp"

#include <string>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/check.hpp"

namespace pp::auth {
namespace {

// Fetched once, because a fetch takes locks and a search; never freed, because static destructors of others may still
// hash.
struct algorithms {
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  EVP_KDF* hkdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  EVP_KDF* scrypt = EVP_KDF_fetch(nullptr, "SCRYPT", nullptr);
};

const algorithms& fetched() {
  static const algorithms* const all = [] {
    auto* made = new algorithms;
    PP_CHECK(made->sha256 != nullptr && made->hmac != nullptr && made->hkdf != nullptr && made->scrypt != nullptr);
    return made;
  }();
  return *all;
}

struct deleter {
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
  void operator()(EVP_MAC_CTX* c) const { EVP_MAC_CTX_free(c); }
  void operator()(EVP_KDF_CTX* c) const { EVP_KDF_CTX_free(c); }
};
template <class T>
using owned = std::unique_ptr<T, deleter>;

// OpenSSL takes a null pointer for "not given", which an empty but given value is not.
const std::uint8_t* not_null(byte_view from) {
  static const std::uint8_t nothing = 0;
  return from.data() == nullptr ? &nothing : from.data();
}

OSSL_PARAM octets(const char* name, byte_view value) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(not_null(value)), value.size());
}

secret derive(EVP_KDF* kdf, const OSSL_PARAM* parameters, std::size_t size) {
  secret out(size);
  const owned<EVP_KDF_CTX> context(EVP_KDF_CTX_new(kdf));
  PP_CHECK(context != nullptr);
  PP_CHECK(EVP_KDF_derive(context.get(), out.writable().data(), size, parameters) == 1);
  return out;
}

}  // namespace

struct sha256_stream::state {
  owned<EVP_MD_CTX> context{EVP_MD_CTX_new()};
  void start() { PP_CHECK(context != nullptr && EVP_DigestInit_ex2(context.get(), fetched().sha256, nullptr) == 1); }
};

sha256_stream::sha256_stream() : state_(std::make_unique<state>()) { state_->start(); }
sha256_stream::~sha256_stream() = default;
sha256_stream::sha256_stream(sha256_stream&&) noexcept = default;
sha256_stream& sha256_stream::operator=(sha256_stream&&) noexcept = default;

void sha256_stream::update(byte_view piece) {
  PP_CHECK(EVP_DigestUpdate(state_->context.get(), not_null(piece), piece.size()) == 1);
}

digest sha256_stream::finish() {
  digest out{};
  PP_CHECK(EVP_DigestFinal_ex(state_->context.get(), out.data(), nullptr) == 1);
  state_->start();
  return out;
}

digest sha256(byte_view data) { return sha256({data}); }

digest sha256(std::initializer_list<byte_view> parts) {
  sha256_stream stream;
  for (const auto part : parts) stream.update(part);
  return stream.finish();
}

digest hmac_sha256(byte_view key, std::initializer_list<byte_view> parts) {
  const owned<EVP_MAC_CTX> context(EVP_MAC_CTX_new(fetched().hmac));
  PP_CHECK(context != nullptr);
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  PP_CHECK(EVP_MAC_init(context.get(), not_null(key), key.size(), parameters) == 1);
  for (const auto part : parts) PP_CHECK(EVP_MAC_update(context.get(), not_null(part), part.size()) == 1);
  digest out{};
  std::size_t size = 0;
  PP_CHECK(EVP_MAC_final(context.get(), out.data(), &size, out.size()) == 1 && size == out.size());
  return out;
}

// RFC 5869, 2.2: extraction is one HMAC, keyed with the salt.
digest hkdf_extract(byte_view salt, byte_view input_key) { return hmac_sha256(salt, {input_key}); }

secret hkdf_expand(byte_view prk, byte_view info, std::size_t size) {
  PP_CHECK(size <= 255 * digest_size);
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                   OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
                                   octets(OSSL_KDF_PARAM_KEY, prk), octets(OSSL_KDF_PARAM_INFO, info),
                                   OSSL_PARAM_construct_end()};
  return derive(fetched().hkdf, parameters, size);
}

secret scrypt(std::string_view passphrase, std::string_view salt) {
  std::uint64_t cost = 1ULL << 17U;
  std::uint32_t block = 8;
  std::uint32_t lanes = 1;
  std::uint64_t memory = 256ULL << 20U;
  const OSSL_PARAM parameters[] = {octets(OSSL_KDF_PARAM_PASSWORD, as_bytes(passphrase)),
                                   octets(OSSL_KDF_PARAM_SALT, as_bytes(salt)),
                                   OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &cost),
                                   OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &block),
                                   OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &lanes),
                                   OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
                                   OSSL_PARAM_construct_end()};
  return derive(fetched().scrypt, parameters, digest_size);
}

void random_bytes(mutable_byte_view to) { PP_CHECK(RAND_bytes(to.data(), static_cast<int>(to.size())) == 1); }

secret random_secret(std::size_t size) {
  secret out(size);
  PP_CHECK(RAND_priv_bytes(out.writable().data(), static_cast<int>(size)) == 1);
  return out;
}

bool constant_time_equal(byte_view a, byte_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(not_null(a), not_null(b), a.size()) == 0;
}

void erase(mutable_byte_view what) { OPENSSL_cleanse(what.data(), what.size()); }

void ignore_openssl_config() { OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr); }

}  // namespace pp::auth
