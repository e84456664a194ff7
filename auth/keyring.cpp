#include "auth/keyring.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace pp::auth {
namespace {

constexpr std::string_view extract_salt = "pp/1";
constexpr std::string_view client_key_label{"pp/1 auth client\0", 17};
constexpr std::string_view server_key_label{"pp/1 auth server\0", 17};

secret for_role(byte_view prk, std::string_view label, std::size_t role_number) {
  std::string info(label);
  info.push_back(static_cast<char>(role_number));
  return hkdf_expand(prk, as_bytes(info), digest_size);
}

}  // namespace

key::key(std::string name, const secret& raw) : name_(std::move(name)) {
  PP_CHECK(raw.size() == digest_size);
  digest prk = hkdf_extract(as_bytes(extract_salt), raw.view());
  const secret id = hkdf_expand(prk, as_bytes("pp/1 key id"), id_.size());
  std::copy(id.view().begin(), id.view().end(), id_.begin());
  discovery_ = hkdf_expand(prk, as_bytes("pp/1 discovery"), digest_size);
  for (std::size_t i = 0; i < client_.size(); ++i) {
    client_[i] = for_role(prk, client_key_label, i + 1);
    server_[i] = for_role(prk, server_key_label, i + 1);
  }
  erase(prk);
}

keyring::keyring(std::vector<key> keys) : keys_(std::move(keys)) {}

const key* keyring::find(const key_id& id) const {
  const auto at = std::find_if(keys_.begin(), keys_.end(), [&](const key& k) { return k.id() == id; });
  return at == keys_.end() ? nullptr : &*at;
}

}  // namespace pp::auth
