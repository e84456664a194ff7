#include "discovery/udp_port.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/log.hpp"
#include "pp/error.hpp"

namespace pp::discovery {
namespace {

// After so many datagrams without a wait, the other coroutines of this thread get their turn.
constexpr unsigned turn = 32;

union control_buffer {
  cmsghdr align;
  char room[CMSG_SPACE(sizeof(in_pktinfo))];
};

void set_flag(int fd, int level, int option) {
  const int on = 1;
  if (setsockopt(fd, level, option, &on, sizeof on) != 0) {
    throw net::system_error(errno, boost::system::system_category());
  }
}

void open_and_bind(net::udp::socket& socket, std::uint16_t port) {
  const net::udp::endpoint any(net::udp::v4(), port);
  socket.open(net::udp::v4());
  const int fd = socket.native_handle();
  // Only a port that is meant to be shared: with this flag the kernel gives out one free port to several programs.
  if (port != 0) set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
  set_flag(fd, SOL_SOCKET, SO_BROADCAST);
  set_flag(fd, IPPROTO_IP, IP_PKTINFO);
  socket.bind(any);
  socket.native_non_blocking(true);
}

std::optional<in_pktinfo> arrival_of(msghdr& message) {
  for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(c), sizeof info);
    return info;
  }
  return std::nullopt;
}

sockaddr_in to_native(const net::ip::address_v4& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(address.to_uint());
  return out;
}

}  // namespace

udp_port::udp_port(const net::executor& ex, std::uint16_t port, const selection& where) : where_(where), socket_(ex) {
  try {
    open_and_bind(socket_, port);
    port_ = socket_.local_endpoint().port();
  } catch (const net::system_error& e) {
    throw error(errc::bad_option,
                "cannot use UDP port " + std::to_string(port) + " for discovery: " + e.code().message() +
                    "; stop the program that holds it, or choose another port with --discovery-port or "
                    "PP_DISCOVERY_PORT, the same on all nodes and clients");
  }
}

net::awaitable<udp_port::datagram> udp_port::receive() {
  datagram got;
  for (;;) {
    const auto what = without_waiting_ < turn ? read_one(got) : outcome::empty;
    if (what == outcome::got) co_return got;
    if (what == outcome::dropped) continue;
    co_await socket_.async_wait(net::udp::socket::wait_read, net::use_awaitable);
    without_waiting_ = 0;
  }
}

udp_port::outcome udp_port::read_one(datagram& into) {
  ++without_waiting_;
  sockaddr_in from{};
  control_buffer control{};
  iovec part{into.storage.data(), into.storage.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const auto size = recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
  // Any other error is one datagram's and is gone once told.
  if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? outcome::empty : outcome::dropped;
  const auto arrival = arrival_of(message);
  const auto index = arrival ? static_cast<unsigned>(arrival->ipi_ifindex) : 0U;
  const auto to = arrival ? net::ip::address_v4(ntohl(arrival->ipi_addr.s_addr)) : net::ip::address_v4();
  const auto* interface = where_.accept(index, to);
  if (interface == nullptr) {
    ++seen_.not_selected;
    return outcome::dropped;
  }
  ++seen_.received;
  into.size = static_cast<std::size_t>(size);
  into.from = net::ip::address_v4(ntohl(from.sin_addr.s_addr));
  into.from_port = ntohs(from.sin_port);
  into.interface = interface->index;
  return outcome::got;
}

bool udp_port::send(byte_view content, const destination& to) {
  auto address = to_native(to.to, to.port);
  control_buffer control{};
  iovec part{const_cast<std::uint8_t*>(content.data()), content.size()};  // sendmsg only reads it
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  auto* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_ifindex = static_cast<int>(to.interface);
  info.ipi_spec_dst.s_addr = htonl(to.from.to_uint());
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
  if (sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    warn_once(to, errno);
    return false;
  }
  ++seen_.sent;
  return true;
}

void udp_port::warn_once(const destination& to, int reason) {
  ++seen_.send_failed;
  if (!warned_.insert(to.interface).second) return;
  const auto* interface = where_.find(to.interface);
  const auto name = interface != nullptr ? interface->name : std::to_string(to.interface);
  log::warn("discovery_send_failed",
            {{"interface", name}, {"to", to.to.to_string()}, {"reason", std::strerror(reason)}});
}

void udp_port::close() noexcept {
  net::error_code ignored;
  socket_.close(ignored);
}

}  // namespace pp::discovery
