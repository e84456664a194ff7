#include "net/tls.hpp"

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/check.hpp"

namespace pp::net {
namespace {

constexpr unsigned char alpn[] = {4, 'p', 'p', '/', '1'};
constexpr std::size_t record_size = 16 * 1024;  // fill records: pipeline measurements in docs/decisions
constexpr std::size_t first_receive = 4 * 1024;
constexpr std::size_t largest_receive = 256 * 1024;
// Sent in parts, so that the other side decrypts one while we encrypt the next, and they are in the cache still.
constexpr std::size_t largest_pending = 64 * 1024;
// A record holds at most 16 KiB, so after part of one and a whole buffer more there is plaintext, or it is an attack (a flood of
// KeyUpdates or empty records).
constexpr std::size_t most_without_plaintext = largest_receive + 4 * record_size;

[[noreturn]] void fail(const char* what) {
  char text[160] = "";
  if (const auto code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  throw system_error(asio::error::connection_aborted, std::string(what) + (text[0] != 0 ? ": " : "") + text);
}

template <auto Free>
struct deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using ssl_ctx_ptr = std::unique_ptr<SSL_CTX, deleter<SSL_CTX_free>>;
using ssl_ptr = std::unique_ptr<SSL, deleter<SSL_free>>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, deleter<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, deleter<X509_free>>;

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                void*) {
  for (unsigned i = 0; i < in_size && i + in[i] < in_size; i += in[i] + 1U) {
    if (in[i] == alpn[0] && std::memcmp(in + i + 1, alpn + 1, alpn[0]) == 0) {
      *out = in + i + 1;
      *out_size = in[i];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

ssl_ctx_ptr make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  ssl_ctx_ptr ctx(SSL_CTX_new(method));
  if (!ctx || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(ctx.get(),
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(ctx.get(), "X25519:P-256") != 1 || SSL_CTX_set_num_tickets(ctx.get(), 0) != 1) {
    fail("OpenSSL offers no usable TLS 1.3");
  }
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);
  return ctx;
}

x509_ptr self_signed(EVP_PKEY* key) {
  x509_ptr cert(X509_new());
  if (!cert) fail("no memory for the certificate");
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  X509_set_version(cert.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -24L * 3600);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 20L * 365 * 24 * 3600);
  X509_NAME* name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("pp-ephemeral"), -1, -1,
                             0);
  X509_set_issuer_name(cert.get(), name);
  if (X509_set_pubkey(cert.get(), key) != 1 || X509_sign(cert.get(), key, EVP_sha256()) == 0) fail("cannot sign");
  return cert;
}

}  // namespace

// --- contexts --------------------------------------------------------------------------------------------------------

struct tls_context::impl {
  ssl_ctx_ptr ctx;
};

tls_context::tls_context(std::unique_ptr<impl> i) : impl_(std::move(i)) {}
tls_context::tls_context(tls_context&&) noexcept = default;
tls_context& tls_context::operator=(tls_context&&) noexcept = default;
tls_context::~tls_context() = default;

tls_context tls_context::client() {
  auto made = std::make_unique<impl>(impl{make_context(TLS_client_method())});
  if (SSL_CTX_set_alpn_protos(made->ctx.get(), alpn, sizeof alpn) != 0) fail("cannot set ALPN");
  return tls_context(std::move(made));
}

tls_context tls_context::server() {
  auto made = std::make_unique<impl>(impl{make_context(TLS_server_method())});
  const pkey_ptr key(EVP_EC_gen("P-256"));
  if (!key) fail("cannot make the node's TLS key");
  const x509_ptr cert = self_signed(key.get());
  if (SSL_CTX_use_certificate(made->ctx.get(), cert.get()) != 1 ||
      SSL_CTX_use_PrivateKey(made->ctx.get(), key.get()) != 1) {
    fail("cannot use the node's certificate");
  }
  SSL_CTX_set_alpn_select_cb(made->ctx.get(), select_alpn, nullptr);
  return tls_context(std::move(made));
}

// --- the byte loop ---------------------------------------------------------------------------------------------------

// Bytes between the socket and OpenSSL. The BIO below reads from `in` and appends to `out`.
struct tls_stream::impl {
  ssl_ptr ssl;
  bytes in;  ///< received and not yet given to OpenSSL: [in_begin, in_end)
  std::size_t in_begin = 0, in_end = 0;
  bytes out;      ///< made by OpenSSL and not yet sent
  bytes sending;  ///< held by send_pending; swapped with out
  bytes joined;   ///< a short first part and what fills its record up
  bool is_sending = false;
  std::size_t without_plaintext = 0;
  std::size_t bytes_read = 0;
};

namespace {

template <class Impl>
int bio_read(BIO* bio, char* to, std::size_t size, std::size_t* done) {
  auto& s = *static_cast<Impl*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t part = std::min(size, s.in_end - s.in_begin);
  *done = part;
  if (part == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(to, s.in.data() + s.in_begin, part);
  s.in_begin += part;
  return 1;
}

template <class Impl>
int bio_write(BIO* bio, const char* from, std::size_t size, std::size_t* done) {
  auto& s = *static_cast<Impl*>(BIO_get_data(bio));
  const auto* const sealed = reinterpret_cast<const std::uint8_t*>(from);  // same type, so that it is one memcpy
  s.out.insert(s.out.end(), sealed, sealed + size);
  *done = size;
  return 1;
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

template <class Impl>
BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pp bytes");
    PP_CHECK(m != nullptr);
    BIO_meth_set_create(m, bio_create);
    BIO_meth_set_read_ex(m, bio_read<Impl>);
    BIO_meth_set_write_ex(m, bio_write<Impl>);
    BIO_meth_set_ctrl(m, bio_control);
    return m;
  }();
  return method;
}

// OpenSSL gives its buffers back after each record, for the sake of idle sessions; not between the records of a large transfer.
// Both directions may be in one at once, so whoever ends first only costs the other a little.
class large_transfer {
 public:
  large_transfer(SSL* ssl, std::size_t size) : ssl_(size > 4 * record_size ? ssl : nullptr) {
    if (ssl_ != nullptr) SSL_clear_mode(ssl_, SSL_MODE_RELEASE_BUFFERS);
  }
  ~large_transfer() {
    if (ssl_ != nullptr) SSL_set_mode(ssl_, SSL_MODE_RELEASE_BUFFERS);
  }
  large_transfer(const large_transfer&) = delete;
  large_transfer& operator=(const large_transfer&) = delete;

 private:
  SSL* ssl_;
};

// A dead peer is found by heartbeats within seconds; the kernel's own timers are the second line (docs/operations.md).
void tune(tcp::socket& socket) {
  const int fd = socket.native_handle();
  const auto set = [fd](int level, int name, int value) {
    static_cast<void>(::setsockopt(fd, level, name, &value, sizeof value));
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 10'000);
  error_code ignored;
  socket.non_blocking(true, ignored);
}

}  // namespace

tls_stream::tls_stream(tcp::socket socket, const tls_context& context, bool is_server)
    : socket_(std::move(socket)), impl_(std::make_unique<impl>()) {
  tune(socket_);
  impl_->ssl.reset(SSL_new(context.impl_->ctx.get()));
  BIO* bio = BIO_new(bio_method<impl>());
  if (!impl_->ssl || bio == nullptr) fail("no memory for a TLS session");
  BIO_set_data(bio, impl_.get());
  SSL_set_bio(impl_->ssl.get(), bio, bio);
  if (is_server) {
    SSL_set_accept_state(impl_->ssl.get());
  } else {
    SSL_set_connect_state(impl_->ssl.get());
  }
}

tls_stream::~tls_stream() = default;

void tls_stream::finish_writing() noexcept {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void tls_stream::close() noexcept {
  error_code ignored;
  socket_.close(ignored);
}

awaitable<void> tls_stream::handshake(std::size_t byte_limit) {
  byte_limit_ = byte_limit;
  SSL* const ssl = impl_->ssl.get();
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl);
    const int why = SSL_get_error(ssl, done);
    co_await send_pending();  // also an alert that says why
    if (done == 1) break;
    if (why != SSL_ERROR_WANT_READ) fail("TLS handshake refused");
    co_await receive_more();
  }
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &chosen, &size);
  if (size != alpn[0] || std::memcmp(chosen, alpn + 1, size) != 0) fail("the other side does not speak pp/1");
  impl_->without_plaintext = 0;
}

std::array<std::uint8_t, 32> tls_stream::channel_binding() const {
  std::array<std::uint8_t, 32> out{};
  constexpr char label[] = "EXPORTER-Channel-Binding";
  ERR_clear_error();
  if (SSL_export_keying_material(impl_->ssl.get(), out.data(), out.size(), label, sizeof label - 1, nullptr, 0, 0) !=
      1) {
    fail("no channel binding");
  }
  return out;
}

// Waits for readiness and then receives into the buffer directly, so that an idle stream holds next to no memory.
awaitable<void> tls_stream::receive_more() {
  impl& s = *impl_;
  if (s.in_begin == s.in_end) s.in_begin = s.in_end = 0;
  if (s.in_begin > 0) {
    std::memmove(s.in.data(), s.in.data() + s.in_begin, s.in_end - s.in_begin);
    s.in_end -= s.in_begin;
    s.in_begin = 0;
  }
  const bool was_filled_up = s.in_end == s.in.size();
  if (was_filled_up)
    s.in.resize(std::clamp(s.in.size() * 4, first_receive, std::max(largest_receive, s.in.size() + record_size)));
  for (;;) {
    error_code failure;
    const auto room = asio::buffer(s.in.data() + s.in_end, s.in.size() - s.in_end);
    const std::size_t got = socket_.receive(room, 0, failure);
    if (!failure) {
      s.in_end += got;
      s.bytes_read += got;
      s.without_plaintext += got;
      if (got == room.size() && s.in.size() < largest_receive) s.in.resize(s.in.size() * 4);
      break;
    }
    if (failure == asio::error::interrupted) continue;
    if (failure != asio::error::would_block && failure != asio::error::try_again) throw system_error(failure);
    co_await socket_.async_wait(tcp::socket::wait_read, use_awaitable);
  }
  if (s.bytes_read > byte_limit_) throw system_error(asio::error::message_size, "too many bytes before login");
  if (s.without_plaintext > most_without_plaintext)
    throw system_error(asio::error::connection_aborted, "TLS without data");
}

awaitable<void> tls_stream::send_pending() {
  impl& s = *impl_;
  if (s.is_sending) co_return;  // the coroutine that sends takes what came meanwhile with it
  s.is_sending = true;
  struct reset {
    bool& flag;
    ~reset() { flag = false; }
  } const at_end{s.is_sending};
  while (!s.out.empty()) {
    s.sending.clear();
    s.sending.swap(s.out);
    std::size_t done = 0;
    while (done < s.sending.size()) {
      error_code failure;
      done += socket_.send(asio::buffer(s.sending.data() + done, s.sending.size() - done), 0, failure);
      if (!failure || failure == asio::error::interrupted) continue;
      if (failure != asio::error::would_block && failure != asio::error::try_again) throw system_error(failure);
      co_await socket_.async_wait(tcp::socket::wait_write, use_awaitable);
    }
  }
}

awaitable<std::size_t> tls_stream::read_some(mutable_byte_view to) {
  SSL* const ssl = impl_->ssl.get();
  const large_transfer keeps_buffers(ssl, to.size());
  std::size_t filled = 0;
  ERR_clear_error();
  for (;;) {
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl, to.data() + filled, to.size() - filled, &got);
    filled += got;
    if (done == 1 && filled < to.size()) continue;
    const int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, done);
    if (!impl_->out.empty()) co_await send_pending();
    if (filled > 0) break;
    if (why == SSL_ERROR_ZERO_RETURN) throw system_error(asio::error::eof);
    if (why != SSL_ERROR_WANT_READ) fail("TLS read");
    co_await receive_more();
    ERR_clear_error();  // others used this thread meanwhile
  }
  impl_->without_plaintext = 0;
  co_return filled;
}

awaitable<void> tls_stream::encrypt_and_send(byte_view from) {
  const large_transfer keeps_buffers(impl_->ssl.get(), from.size());
  while (!from.empty()) {
    const std::size_t part = std::min(from.size(), record_size);
    ERR_clear_error();
    std::size_t done = 0;
    if (SSL_write_ex(impl_->ssl.get(), from.data(), part, &done) != 1) fail("TLS write");
    from = from.subspan(done);
    if (impl_->out.size() >= largest_pending) co_await send_pending();
  }
}

awaitable<void> tls_stream::write(byte_view first, byte_view second) {
  if (first.size() < record_size && !second.empty()) {
    // A header goes into one record with what follows it: a record of its own would cost as much as a full one.
    const byte_view with = second.first(std::min(second.size(), record_size - first.size()));
    bytes& joined = impl_->joined;
    joined.assign(first.begin(), first.end());
    joined.insert(joined.end(), with.begin(), with.end());
    first = joined;
    second = second.subspan(with.size());
  }
  co_await encrypt_and_send(first);
  co_await encrypt_and_send(second);
  co_await send_pending();
}

awaitable<void> tls_stream::read_exactly(mutable_byte_view to) {
  while (!to.empty()) to = to.subspan(co_await read_some(to));
}

}  // namespace pp::net
