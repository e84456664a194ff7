#include "tests/support/relay.hpp"

#include <array>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pp::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A reset and not an orderly end, as from a machine that lost its power and came back.
void reset(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

bool send_all(int to, const char* from, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = send(to, from, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    from += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

relay::relay(std::uint16_t target_port) : target_port_(target_port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("relay cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

relay::~relay() {
  stopping_ = true;
  thread_.join();
  for (const auto& [client, target] : links_) {
    close(client);
    close(target);
  }
  close(listener_);
}

void relay::run() {
  while (!stopping_) {
    std::vector<pollfd> waiting{{listener_, POLLIN, 0}};
    if (!stalled_) {
      for (const auto& [client, target] : links_) {
        waiting.push_back({client, POLLIN, 0});
        waiting.push_back({target, POLLIN, 0});
      }
    }
    poll(waiting.data(), waiting.size(), 10);      // also looks at the flags again
    const bool is_cut = cut_now_.exchange(false);  // once, so that none is lost that comes meanwhile
    std::vector<std::pair<int, int>> kept;
    for (std::size_t i = 0; i < links_.size(); ++i) {
      const auto [client, target] = links_[i];
      const bool looked = 2 * i + 2 < waiting.size();
      bool ok = !is_cut;
      if (ok && looked && waiting[2 * i + 1].revents != 0) ok = forward(client, target, direction::to_target);
      if (ok && looked && waiting[2 * i + 2].revents != 0) ok = forward(target, client, direction::to_client);
      if (ok) {
        kept.emplace_back(client, target);
      } else {
        reset(client);
        reset(target);
      }
    }
    links_ = kept;
    if (waiting[0].revents != 0) accept_one();
  }
}

bool relay::forward(int from, int to, direction d) {
  std::array<char, 64 * 1024> buffer{};
  const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  auto count = static_cast<std::uint64_t>(got);
  const std::uint64_t before = passed_[index(d)];
  const std::uint64_t flip = flip_[index(d)], cut = cut_[index(d)];
  if (flip >= before && flip < before + count) buffer[flip - before] = static_cast<char>(buffer[flip - before] ^ 1);
  const bool ends_here = cut < before + count;
  if (ends_here) {
    count = cut > before ? cut - before : 0;
    cut_[index(d)] = never;
  }
  passed_[index(d)] = before + count;
  return send_all(to, buffer.data(), count) && !ends_here;
}

void relay::accept_one() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  ++connections_;
  const int target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(target_port_);
  if (connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    reset(client);
    close(target);
    return;
  }
  links_.emplace_back(client, target);
}

}  // namespace pp::test
