#include "auth/datagram.hpp"

namespace pp::auth {
namespace {

constexpr std::string_view label{"pp/1 discovery\0", 15};

digest mac_of(byte_view content, const key& with) { return hmac_sha256(with.discovery(), {as_bytes(label), content}); }

}  // namespace

bytes seal_announce(const wire::announce& m, const key& with) {
  wire::announce named = m;
  named.key_id = with.id();
  bytes datagram = wire::encode_announce(named);
  const auto mac = mac_of(datagram, with);
  datagram.insert(datagram.end(), mac.begin(), mac.end());
  return datagram;
}

result<wire::announce> open_announce(byte_view datagram, const keyring& keys, datagram_fault& fault) {
  fault = datagram_fault::malformed;
  if (datagram.size() != wire::datagram_size || !wire::is_announce(datagram)) return malformed();
  const auto id = reader(datagram.subspan(wire::datagram_key_id_offset)).array<8>();
  fault = datagram_fault::unknown_key;
  const key* with = keys.find(id);
  if (with == nullptr) return make_error_code(errc::refused);
  fault = datagram_fault::wrong_mac;
  const auto content = datagram.first(wire::datagram_content_size);
  if (!constant_time_equal(mac_of(content, *with), datagram.subspan(wire::datagram_content_size))) {
    return make_error_code(errc::refused);
  }
  auto opened = wire::decode_announce(content);
  fault = opened ? datagram_fault::none : datagram_fault::malformed;
  return opened;
}

}  // namespace pp::auth
