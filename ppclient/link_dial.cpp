// A link's way to a proved connection: addresses, TCP, TLS, the mutual proof.
#include <algorithm>
#include <charconv>

#include "net/deadline.hpp"
#include "net/login.hpp"
#include "ppclient/link.hpp"

namespace pp::ppclient {
namespace {

constexpr std::size_t login_bytes = 16 * 1024;
constexpr duration one_address_limit = std::chrono::seconds(3);

}  // namespace

std::string place::text() const {
  return name.find(':') == std::string::npos ? name + ":" + port : "[" + name + "]:" + port;
}

place parse_place(std::string_view text) {
  const auto wrong = [&] {
    return error(errc::bad_option, "options.nodes: '" + std::string(text) + "' is no host, host:port or [v6]:port");
  };
  place out{std::string(text), "60000"};
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) throw wrong();
    out.name = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') throw wrong();
    if (rest.size() > 1) out.port = rest.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const auto colon = text.find(':');
    out.name = text.substr(0, colon);
    out.port = text.substr(colon + 1);
  }
  unsigned port = 0;
  const auto parsed = std::from_chars(out.port.data(), out.port.data() + out.port.size(), port);
  if (out.name.empty() || parsed.ec != std::errc{} || parsed.ptr != out.port.data() + out.port.size() || port == 0 ||
      port > 65535) {
    throw wrong();
  }
  return out;
}

net::awaitable<std::vector<net::tcp::endpoint>> link::resolve() {
  std::vector<net::tcp::endpoint> out;
  for (const auto& p : places_) {
    net::error_code not_numeric;
    const auto address = net::ip::make_address(p.name, not_numeric);
    if (!not_numeric) {
      out.emplace_back(address, static_cast<std::uint16_t>(std::stoul(p.port)));
      continue;
    }
    net::tcp::resolver resolver(executor_);
    const auto found = co_await resolver.async_resolve(p.name, p.port, net::use_awaitable);
    for (const auto& one : found) out.push_back(one.endpoint());
  }
  co_return out;
}

net::awaitable<net::tcp::socket> link::dial() {
  const auto endpoints = co_await resolve();
  std::string why = "no address is known";
  for (const auto& endpoint : endpoints) {
    net::tcp::socket socket(executor_);
    try {
      co_await net::with_deadline(socket.async_connect(endpoint, net::use_awaitable), now() + one_address_limit);
      reached_ = endpoint;
      connected_to_ = place{endpoint.address().to_string(), std::to_string(endpoint.port())}.text();
      co_return std::move(socket);
    } catch (const net::system_error& e) {
      if (e.code() == net::operation_aborted) throw;
      why = e.code().message();
    }
  }
  throw error(errc::disconnected, "cannot connect to " + address() + ": " + why);
}

net::awaitable<void> link::dial_and_prove() {
  auto socket = co_await dial();
  proved_ = std::make_unique<net::tls_stream>(std::move(socket), context_.tls, false);
  co_await prove(*proved_);
}

net::awaitable<void> link::prove(net::tls_stream& stream) {
  co_await stream.handshake(login_bytes);
  auth::client_handshake::parameters p;
  p.client_id = context_.client_id;
  p.as = static_cast<auth::role>(context_.settings.role);  // the same numbers
  p.fresh = auth::random_array<32>();
  if (expected_) p.expected_node = *expected_;
  const auto proved = co_await net::log_in(stream, context_.keys, p);
  id_ = proved.id;
  features_ = proved.features;
}

}  // namespace pp::ppclient
