#include "ppserver/listener.hpp"

#include <algorithm>

#include <netinet/in.h>
#include <sys/resource.h>

#include "base/log.hpp"
#include "net/deadline.hpp"

namespace pp::ppserver {
namespace {

constexpr int reserved_descriptors = 64;
constexpr auto pause_when_full = std::chrono::milliseconds(100);
constexpr int tries_for_a_free_port = 32;

std::string words(const net::error_code& why, std::uint16_t port) {
  const auto number = std::to_string(port);
  if (why == net::asio::error::address_in_use) {
    return "port " + number + " is in use by another program: stop it, or choose another with -p (0 = any free)";
  }
  if (why == net::asio::error::access_denied) {
    return "port " + number + " is only for the administrator: choose one above 1023 with -p (0 = any free)";
  }
  return "cannot listen on port " + number + ": " + why.message();
}

// The kernel gives out the lowest free number: a high one says that the table is nearly full.
bool is_of_the_reserve(int descriptor) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1'000'000) return false;
  const auto all = static_cast<int>(limit.rlim_cur);
  return descriptor >= all - std::min(reserved_descriptors, all / 2);
}

bool is_shortage(const net::error_code& why) {
  return why == net::asio::error::no_descriptors || why == net::asio::error::no_buffer_space ||
         why == net::asio::error::no_memory || why.value() == ENFILE;
}

}  // namespace

listener::listener(const net::executor& ex, const std::vector<net::ip::address>& addresses, std::uint16_t port,
                   bool may_skip)
    : executor_(ex), tasks_(ex), port_(port) {
  if (addresses.empty())
    throw cannot_listen("the selected interfaces have no address to listen on: choose others with -i");
  // With any free port, the one that is free on the first address may be taken on the second: look for another.
  for (int tries = port == 0 ? tries_for_a_free_port : 1; tries > 0; --tries) {
    if (open_all(addresses, port, may_skip)) return;
  }
  throw cannot_listen("no port is free on all the selected addresses: choose fewer with -i");
}

bool listener::open_all(const std::vector<net::ip::address>& addresses, std::uint16_t port, bool may_skip) {
  acceptors_.clear();
  addresses_.clear();
  port_ = port;
  for (const auto& address : addresses) {
    try {
      open_one(address);
    } catch (const net::system_error& e) {
      const bool is_taken = e.code() == net::asio::error::address_in_use;
      if (is_taken && port == 0) return false;
      if (is_taken || !may_skip || e.code() == net::asio::error::access_denied)
        throw cannot_listen(words(e.code(), port_));
      log::debug("not_listening", {{"address", address.to_string()}, {"reason", e.code().message()}});
    }
  }
  if (acceptors_.empty()) throw cannot_listen("cannot listen on any of the selected addresses: choose others with -i");
  return true;
}

void listener::open_one(const net::ip::address& address) {
  net::tcp::endpoint at(address, port_);
  net::tcp::acceptor a(executor_);
  a.open(at.protocol());
  a.set_option(net::tcp::acceptor::reuse_address(true));
  // IPv4 has an acceptor of its own: without this the two would fight over the port.
  const int only_v6 = 1;
  if (address.is_v6()) ::setsockopt(a.native_handle(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  a.bind(at);
  a.listen(256);
  port_ = a.local_endpoint().port();
  acceptors_.push_back(std::move(a));
  addresses_.push_back(address);
}

void listener::start(handover to) {
  to_ = std::move(to);
  for (auto& a : acceptors_) tasks_.spawn("accept", accept_from(a));
}

net::awaitable<void> listener::accept_from(net::tcp::acceptor& from) {
  for (;;) {
    net::error_code failed;
    net::tcp::socket socket(executor_);
    co_await from.async_accept(socket, net::redirect_error(net::use_awaitable, failed));
    if (failed == net::operation_aborted || !from.is_open()) co_return;
    const bool is_short = failed ? is_shortage(failed) : is_of_the_reserve(socket.native_handle());
    if (is_short) {
      net::error_code ignored;
      socket.close(ignored);
      co_await net::sleep_for(pause_when_full);
    } else if (!failed) {
      to_(std::move(socket));
    }
  }
}

void listener::stop() {
  for (auto& a : acceptors_) {
    net::error_code ignored;
    a.close(ignored);
  }
}

net::awaitable<void> listener::close() {
  stop();
  co_await tasks_.close();
}

}  // namespace pp::ppserver
