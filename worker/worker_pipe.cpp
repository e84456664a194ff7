#include "worker/worker_pipe.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace pp::worker {
namespace {

constexpr std::size_t buffer_size = wire::max_frame_payload + wire::frame_header_size;
// An assembly of this size is kept for the next message of its kind: fresh memory costs more than the copy into it.
constexpr std::size_t largest_kept_message = 65 * 1024 * 1024;

/// What is still to be sent of a list of parts.
class remaining_parts {
 public:
  explicit remaining_parts(std::initializer_list<byte_view> parts) : parts_(parts) {
    for (const byte_view part : parts_) size_ += part.size();
  }
  std::size_t size() const { return size_; }
  /// Moves the next `count` bytes to the end of `to`.
  void take(std::size_t count, std::vector<iovec>& to) {
    size_ -= count;
    while (count > 0) {
      byte_view& part = parts_[next_];
      const std::size_t now = std::min(count, part.size());
      if (now > 0) to.push_back({const_cast<std::uint8_t*>(part.data()), now});
      part = part.subspan(now);
      count -= now;
      if (part.empty()) ++next_;
    }
  }

 private:
  std::vector<byte_view> parts_;
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

bool send_all(int socket, std::vector<iovec>& pieces) {
  msghdr what{};
  what.msg_iov = pieces.data();
  what.msg_iovlen = pieces.size();
  while (what.msg_iovlen > 0) {
    const ssize_t sent = ::sendmsg(socket, &what, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    auto gone = static_cast<std::size_t>(sent);
    for (; what.msg_iovlen > 0 && gone >= what.msg_iov->iov_len; ++what.msg_iov, --what.msg_iovlen) {
      gone -= what.msg_iov->iov_len;
    }
    if (what.msg_iovlen > 0) {
      what.msg_iov->iov_base = static_cast<std::uint8_t*>(what.msg_iov->iov_base) + gone;
      what.msg_iov->iov_len -= gone;
    }
  }
  return true;
}

ssize_t receive_some(int socket, std::uint8_t* to, std::size_t size) {
  for (;;) {
    const ssize_t got = ::recv(socket, to, size, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

worker_pipe::worker_pipe(code::descriptor socket) : socket_(std::move(socket)), buffer_(buffer_size) {}

/// Receives until `wanted` bytes are in the buffer, and whatever comes with them.
bool worker_pipe::fill(std::size_t wanted) {
  if (end_ - begin_ >= wanted) return true;
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (begin_ + wanted > buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ - begin_ < wanted) {
    const ssize_t got = receive_some(socket_.get(), buffer_.data() + end_, buffer_.size() - end_);
    if (got <= 0) return false;
    end_ += static_cast<std::size_t>(got);
  }
  return true;
}

/// Returns when there is something to receive, or nothing of values left to forget.
void worker_pipe::wait_beside_values() {
  while (!values_->is_empty()) {
    pollfd watched[2] = {{socket_.get(), POLLIN, 0}, {values_->fd(), POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0 || (watched[1].revents != 0 && !values_->take_all())) return;
  }
}

bool worker_pipe::receive(std::uint8_t* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = receive_some(socket_.get(), to, size);
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool worker_pipe::read_header(wire::frame_header& head) {
  if (!fill(wire::frame_header_size)) return false;
  const auto decoded = wire::decode_frame_header(buffer_.data() + begin_);
  if (!decoded) return false;
  head = *decoded;
  begin_ += wire::frame_header_size;
  return true;
}

bool worker_pipe::read(pipe_message& message) {
  if (assembled_.capacity() > largest_kept_message) assembled_.reset();
  if (begin_ == end_ && values_ != nullptr) wait_beside_values();
  if (!read_header(message.head)) return false;
  if (message.head.has_more()) return assemble(message.head, message);
  if (!fill(message.head.length)) return false;
  message.payload = byte_view(buffer_).subspan(begin_, message.head.length);
  begin_ += message.head.length;
  return true;
}

bool worker_pipe::assemble(const wire::frame_header& first, pipe_message& message) {
  if (!first.is_sized() || !fill(wire::message_size_bytes)) return false;
  const auto whole = wire::decode_message_size(first, buffer_.data() + begin_);
  if (!whole) return false;
  begin_ += wire::message_size_bytes;
  assembled_.clear();
  std::uint8_t* const to = assembled_.extend(*whole);
  wire::frame_header frame = first;
  frame.length -= wire::message_size_bytes;
  std::size_t filled = 0;
  for (;;) {
    if (frame.length > *whole - filled || !read_into(to + filled, frame.length)) return false;
    filled += frame.length;
    if (!frame.has_more()) break;
    if (!read_header(frame)) return false;
    if (frame.type != first.type || frame.job != first.job) return false;  // one message at a time on this road
    if (frame.is_sized()) return false;
  }
  message.payload = {to, filled};
  return filled == *whole;
}

/// Received from the socket straight to its place, except what had already come with the header.
bool worker_pipe::read_into(std::uint8_t* to, std::size_t length) {
  const std::size_t here = std::min(length, end_ - begin_);
  std::copy_n(buffer_.data() + begin_, here, to);
  begin_ += here;
  return receive(to + here, length - here);
}

bool worker_pipe::write(const wire::frame_header& head, std::initializer_list<byte_view> parts) {
  remaining_parts rest(parts);
  std::array<std::uint8_t, wire::frame_header_size + wire::message_size_bytes> encoded{};
  std::vector<iovec> pieces;
  const auto send_frame = [&](std::size_t front, std::size_t part) {
    pieces.assign(1, {encoded.data(), front});
    rest.take(part, pieces);
    return send_all(socket_.get(), pieces);
  };
  if (rest.size() > wire::max_frame_payload) {
    const std::size_t part = wire::max_frame_payload - wire::message_size_bytes;
    if (!send_frame(wire::encode_first_of_several(head, part, rest.size(), encoded.data()), part)) return false;
  }
  do {
    wire::frame_header frame = head;
    frame.length = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), wire::max_frame_payload));
    frame.flags = rest.size() > frame.length ? wire::flag_more : 0;
    wire::encode_frame_header(frame, encoded.data());
    if (!send_frame(wire::frame_header_size, frame.length)) return false;
  } while (rest.size() > 0);
  return true;
}

}  // namespace pp::worker
