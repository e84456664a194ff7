// Discovery datagrams under their HMAC: sealed with one key, opened with any key of the ring.
//
// Promises: pure. Opening looks at length, magic, type and key id, then at the HMAC, and at every other byte only after
// the HMAC was right. A datagram is a hint: freshness and replays are discovery's business, trust is nobody's.
// Must not know: sockets, time.
#pragma once

#include "auth/keyring.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/announce.hpp"

namespace pp::auth {

/// Why a datagram was not opened, for counters.
enum class datagram_fault {
  none,
  malformed,    ///< length, magic, type, or fields that make no sense (then somebody with the key sent them)
  unknown_key,  ///< another cluster's, most likely
  wrong_mac,    ///< changed on the way, or made by somebody who saw a key id and does not hold the key
};

/// The 256 bytes to send. The key id inside is that of `with`, whatever `m` says.
bytes seal_announce(const wire::announce& m, const key& with);

/// `fault` is set in every case. Errors: bad_message if malformed, refused for the two others.
result<wire::announce> open_announce(byte_view datagram, const keyring& keys, datagram_fault& fault);

}  // namespace pp::auth
