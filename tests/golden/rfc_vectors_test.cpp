// The published vectors of SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 4231) and HKDF-SHA256 (RFC 5869, cases 1 to 3).
#include <gtest/gtest.h>

#include "auth/crypto.hpp"

namespace pp::auth {
namespace {

bytes repeated(std::size_t count, std::uint8_t value) { return bytes(count, value); }
bytes text(std::string_view t) { return {t.begin(), t.end()}; }
bytes range(unsigned first, unsigned last) {
  bytes out;
  for (unsigned i = first; i <= last; ++i) out.push_back(static_cast<std::uint8_t>(i));
  return out;
}

TEST(Sha256, AgreesWithFips180) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(byte_view{})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  sha256_stream stream;
  for (const char* piece : {"a", "", "bc"}) stream.update(as_bytes(piece));
  EXPECT_EQ(stream.finish(), sha256(as_bytes("abc")));
  stream.update(as_bytes("abc"));
  EXPECT_EQ(stream.finish(), sha256(as_bytes("abc"))) << "after finish() it starts anew";
}

struct hmac_case {
  bytes key, data;
  const char* mac;
};

TEST(Hmac, AgreesWithRfc4231) {
  const hmac_case cases[] = {
      {repeated(20, 0x0b), text("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {text("Jefe"), text("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeated(20, 0xaa), repeated(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {range(0x01, 0x19), repeated(50, 0xcd), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeated(20, 0x0c), text("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"},
      {repeated(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeated(131, 0xaa),
       text(
           "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
           "before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const auto& c : cases) {
    const std::string stated = c.mac;  // case 5 states the first 128 bits only
    EXPECT_EQ(to_hex(hmac_sha256(c.key, {c.data})).substr(0, stated.size()), stated);
  }
}

TEST(Hmac, PartsAreOneMessage) {
  EXPECT_EQ(hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya "), as_bytes(""), as_bytes("want for nothing?")}),
            hmac_sha256(as_bytes("Jefe"), {as_bytes("what do ya want for nothing?")}));
}

struct hkdf_case {
  bytes key, salt, info;
  std::size_t size;
  const char *prk, *okm;
};

TEST(Hkdf, AgreesWithRfc5869) {
  const hkdf_case cases[] = {
      {repeated(22, 0x0b), range(0x00, 0x0c), range(0xf0, 0xf9), 42,
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {range(0x00, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff), 82,
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9"
       "aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {repeated(22, 0x0b),
       {},
       {},
       42,
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_hex(hkdf_extract(c.salt, c.key)), c.prk);
    EXPECT_EQ(to_hex(hkdf_expand(from_hex(c.prk), c.info, c.size).view()), c.okm);
  }
}

}  // namespace
}  // namespace pp::auth
