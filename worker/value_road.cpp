#include "worker/value_road.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace pp::worker {
namespace {

/// Room for one descriptor beside a packet.
struct descriptor_room {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
};

msghdr message_of(iovec& part, descriptor_room& room) {
  msghdr out{};
  out.msg_iov = &part;
  out.msg_iovlen = 1;
  out.msg_control = room.bytes;
  out.msg_controllen = sizeof room.bytes;
  return out;
}

void put_descriptor(msghdr& message, int fd) {
  auto* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

code::descriptor descriptor_of(msghdr& message) {
  const auto* const head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int))) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return code::descriptor(fd);
}

}  // namespace

// --- the node's end --------------------------------------------------------------------------------------------------

value_sender::value_sender() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make the road for a worker's shared values");
  ours_.reset(fds[0]);
  theirs_.reset(fds[1]);
  ::shutdown(ours_.get(), SHUT_RD);  // a worker has nothing to say here, and could fill it with descriptors
}

void value_sender::give(const std::vector<code::shared_pointer>& values) {
  for (const auto& value : values) {
    auto& known = given_[value->id()];
    // The same content may have been here before, in another file: then it is still the worker's, or a word that it is not
    // is on the way before this one.
    if (known.lock() == value) continue;
    known = value;
    waiting_.push_back({{value_packet::give, value->size(), value->id()}, value});
  }
  flush();
}

bool value_sender::forget_unused() {
  for (auto at = given_.begin(); at != given_.end();) {
    if (!at->second.expired()) {
      ++at;
      continue;
    }
    waiting_.push_back({{value_packet::forget, 0, at->first}, nullptr});
    at = given_.erase(at);
  }
  flush();
  return !given_.empty();
}

bool value_sender::flush() {
  while (!waiting_.empty()) {
    const auto how = send(waiting_.front());
    if (how == sent::later) return true;
    if (how == sent::never) waiting_.clear();  // the worker is gone; its pool finds out
    if (how == sent::all) waiting_.pop_front();
  }
  return false;
}

value_sender::sent value_sender::send(const waiting& what) const {
  auto packet = what.packet;
  iovec part{&packet, sizeof packet};
  descriptor_room room;
  auto message = message_of(part, room);
  if (what.value)
    put_descriptor(message, what.value->fd());
  else
    message.msg_control = nullptr, message.msg_controllen = 0;
  for (;;) {
    if (::sendmsg(ours_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return sent::all;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: more descriptors are on their way than this user may have open.
    const bool has_no_room = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS;
    return has_no_room ? sent::later : sent::never;
  }
}

// --- the worker's end ------------------------------------------------------------------------------------------------

void value_receiver::add(const value_packet& packet, code::descriptor memory) {
  if (packet.what == value_packet::forget) {
    values_.erase(packet.content);
  } else if (packet.what == value_packet::give && memory && !values_.contains(packet.content)) {
    const auto content = std::make_shared<code::shared_content>(packet.content, packet.size, std::move(memory));
    content->map();
    content->close_fd();
    values_[packet.content] = std::make_shared<detail::shared_value>(content);
  }
}

value_receiver::got value_receiver::take_one() {
  value_packet packet;
  iovec part{&packet, sizeof packet};
  descriptor_room room;
  auto message = message_of(part, room);
  ssize_t size = -1;
  do {
    size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == EAGAIN ? got::no_more : got::end;
  if (size == 0) return got::end;
  auto memory = descriptor_of(message);
  if (size != sizeof packet) return got::packet;
  try {
    add(packet, std::move(memory));
  } catch (const std::system_error&) {
    // No address space for it: the job that names it says so.
  }
  return got::packet;
}

bool value_receiver::take_all() {
  const std::lock_guard hold(lock_);
  auto how = take_one();
  while (how == got::packet) how = take_one();
  has_any_ = !values_.empty();
  return how != got::end;
}

detail::shared_value_pointer value_receiver::find(const wire::content_id& content) {
  const auto end = now() + wait_limit;
  for (bool is_open = true;;) {
    {
      const std::lock_guard hold(lock_);
      if (const auto known = values_.find(content); known != values_.end()) return known->second;
    }
    if (!is_open || now() >= end) return nullptr;
    pollfd watched{socket_.get(), POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now()).count();
    ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    is_open = take_all();
  }
}

}  // namespace pp::worker
