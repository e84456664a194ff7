// The TLS set-up of the raw measurements: a throw-away certificate, TLS 1.3 with AES-128-GCM, as pp itself uses it.
#pragma once

#include <openssl/ssl.h>

namespace bench {

/// Gives a server context a certificate nobody checks.
void use_self_signed(SSL_CTX* context);

}  // namespace bench
