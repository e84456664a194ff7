#include "worker/stream_road.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/block_pool.hpp"
#include "base/check.hpp"
#include "net/deadline.hpp"
#include "wire/message.hpp"

namespace pp::worker {
namespace {

constexpr std::size_t first_buffer = 16 * 1024;
constexpr std::size_t largest_buffer = wire::max_frame_payload + 2 * wire::frame_header_size;
constexpr std::size_t joined_segment = 64 * 1024;  // small frames are joined up to this size
constexpr int socket_buffer_bytes = 1024 * 1024;
constexpr std::size_t most_parts = 32;
constexpr int most_reads_at_once = 8;  // then other workers get their turn

struct pair_of_ends {
  code::descriptor ours, theirs;
};

pair_of_ends make_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make the socket pair of a worker");
  }
  for (const int fd : fds) {
    // Only a wish: the kernel cuts it to net.core.wmem_max.
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  }
  return {code::descriptor(fds[0]), code::descriptor(fds[1])};
}

}  // namespace

stream_road::stream_road(net::executor ex)
    : socket_(ex),
      control_(control_mapping::create()),
      writer_wake_(ex, net::steady_timer::time_point::max()),
      buffer_(first_buffer) {
  auto ends = make_pair();
  net::error_code failed;
  socket_.assign(net::asio::local::stream_protocol(), ends.ours.get(), failed);
  if (failed) throw std::system_error(failed, "cannot wait for the socket of a worker");
  ends.ours.release();
  worker_end_ = std::move(ends.theirs);
}

net::awaitable<void> stream_road::run(road_events& to) {
  try {
    co_await net::until_either_fails(read_results(to), write_waiting());
  } catch (const net::system_error& e) {
    if (!closed_) to.on_broken(e.code() == net::asio::error::eof ? problem_ : problem_.empty() ? e.what() : problem_);
  }
}

void stream_road::finish() {
  finishing_ = true;
  if (!closed_ && queue_.empty()) ::shutdown(socket_.native_handle(), SHUT_WR);
}

void stream_road::close() noexcept {
  if (std::exchange(closed_, true)) return;
  net::error_code ignored;
  socket_.close(ignored);
  writer_wake_.cancel();
  queue_.clear();
  queued_bytes_ = 0;
}

// --- jobs out --------------------------------------------------------------------------------------------------------

void stream_road::send_program(byte_view manifest) {
  wire::image message;
  message.manifest.assign(manifest.begin(), manifest.end());
  bytes payload;
  wire::encode_image(message, payload);
  const byte_view all(payload);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t part = append_front(wire::message_type::image, 0, 0, all, at);
    append_copied(all.subspan(at, part));
    at += part;
  }
  flush();
}

void stream_road::send_job(std::uint64_t sequence, std::uint16_t attempt, const job_bytes& job) {
  if (is_over()) return;
  set_queued(sequence);
  const byte_view all = job.view();
  std::size_t at = 0;
  do {
    const std::size_t part = append_front(wire::message_type::submit, sequence + 1, attempt, all, at);
    if (job.large()) {
      queue_.push_back({{}, job.large(), all.subspan(at, part)});
      queued_bytes_ += part;
    } else {
      append_copied(all.subspan(at, part));
    }
    at += part;
  } while (at < all.size());
}

// What stands before the next part of a message; how long that part is.
std::size_t stream_road::append_front(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view all,
                                      std::size_t at) {
  wire::frame_header head{0, type, 0, attempt, job};
  if (at == 0 && all.size() > wire::max_frame_payload) {
    std::array<std::uint8_t, wire::frame_header_size + wire::message_size_bytes> front{};
    const std::size_t part = wire::max_frame_payload - wire::message_size_bytes;
    wire::encode_first_of_several(head, part, all.size(), front.data());
    append_copied(front);
    return part;
  }
  const std::size_t part = std::min<std::size_t>(wire::max_frame_payload, all.size() - at);
  head.length = static_cast<std::uint32_t>(part);
  head.flags = at + part < all.size() ? wire::flag_more : 0;
  append_frame_header(head);
  return part;
}

void stream_road::append_frame_header(const wire::frame_header& head) {
  std::array<std::uint8_t, wire::frame_header_size> front{};
  wire::encode_frame_header(head, front.data());
  append_copied(front);
}

void stream_road::append_copied(byte_view all) {
  if (queue_.empty() || queue_.back().shared || queue_.back().own.size() + all.size() > joined_segment) {
    queue_.emplace_back();
  }
  bytes& to = queue_.back().own;
  to.insert(to.end(), all.begin(), all.end());
  queued_bytes_ += all.size();
}

void stream_road::flush() {
  if (blocked_ || is_over()) return;
  auto how = outcome::more;
  while (how == outcome::more && !queue_.empty()) how = write_once();
  if (how != outcome::blocked) return;
  blocked_ = true;
  writer_wake_.cancel();
}

stream_road::outcome stream_road::write_once() {
  std::array<iovec, most_parts> parts{};
  std::size_t used = 0;
  for (auto it = queue_.begin(); it != queue_.end() && used < most_parts; ++it) {
    const byte_view rest = it->view().subspan(used == 0 ? written_of_first_ : 0);
    parts[used++] = {const_cast<std::uint8_t*>(rest.data()), rest.size()};  // sendmsg only reads
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = used;
  const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    note_written(static_cast<std::size_t>(sent));
    return outcome::more;
  }
  if (errno == EINTR) return outcome::more;
  // Any other error means that the worker is gone; the reader finds out and tells, after the results that still came.
  return errno == EAGAIN || errno == ENOBUFS ? outcome::blocked : outcome::ended;
}

void stream_road::note_written(std::size_t count) {
  queued_bytes_ -= count;
  count += written_of_first_;
  while (!queue_.empty() && count >= queue_.front().view().size()) {
    count -= queue_.front().view().size();
    if (queue_.size() == 1 && !queue_.front().shared) {
      queue_.front().own.clear();  // keeps its memory for the next jobs
      break;
    }
    queue_.pop_front();
  }
  written_of_first_ = count;
  if (queued_bytes_ > 0) return;
  queue_.clear();
  written_of_first_ = 0;
  if (finishing_) ::shutdown(socket_.native_handle(), SHUT_WR);
}

net::awaitable<void> stream_road::write_waiting() {
  for (;;) {
    if (!blocked_) {
      net::error_code ignored;
      co_await writer_wake_.async_wait(net::redirect_error(net::use_awaitable, ignored));
      if (closed_) throw net::system_error(net::operation_aborted);
      continue;
    }
    co_await socket_.async_wait(net::pipe_socket::wait_write, net::use_awaitable);
    blocked_ = false;
    flush();
  }
}

// --- results back ----------------------------------------------------------------------------------------------------

net::awaitable<void> stream_road::read_results(road_events& to) {
  for (;;) {
    co_await socket_.async_wait(net::pipe_socket::wait_read, net::use_awaitable);
    auto how = outcome::more;
    for (int i = 0; i < most_reads_at_once && how == outcome::more && !is_over(); ++i) how = read_once(to);
    if (!closed_) to.on_batch_end();
    if (closed_) throw net::system_error(net::operation_aborted);
    if (how == outcome::ended || is_over()) throw net::system_error(net::asio::error::eof);
  }
}

void stream_road::drain(road_events& to) {
  // Bounded, because a stray grandchild may hold the socket and write for ever.
  std::uint64_t reads = 2 * wire::max_message_bytes / first_buffer;
  if (closed_) return;
  while (!is_over() && reads-- > 0 && read_once(to) == outcome::more) {
  }
  to.on_batch_end();
}

stream_road::outcome stream_road::read_once(road_events& to) {
  const std::size_t room = buffer_.size() - filled_;
  const auto got = ::recv(socket_.native_handle(), buffer_.data() + filled_, room, MSG_DONTWAIT);
  if (got < 0) return errno == EINTR ? outcome::more : errno == EAGAIN ? outcome::blocked : outcome::ended;
  if (got == 0) return outcome::ended;
  filled_ += static_cast<std::size_t>(got);
  const bool filled_up = filled_ == buffer_.size();
  try {
    parse(to);
  } catch (const std::bad_alloc&) {
    break_off("sent more than there is memory for");  // that worker's problem, not the node's end
    return outcome::ended;
  }
  if (filled_up && buffer_.size() < largest_buffer) buffer_.resize(std::min(buffer_.size() * 4, largest_buffer));
  return filled_up ? outcome::more : outcome::blocked;
}

void stream_road::parse(road_events& to) {
  std::size_t used = 0;
  while (filled_ - used >= wire::frame_header_size && !is_over()) {
    const auto head = wire::decode_frame_header(buffer_.data() + used);
    if (!head) {
      break_off("sent a malformed frame");
      return;
    }
    if (filled_ - used < wire::frame_header_size + head->length) break;
    const mutable_byte_view payload(buffer_.data() + used + wire::frame_header_size, head->length);
    used += wire::frame_header_size + head->length;
    deliver(*head, payload, to);
  }
  if (used > 0 && used < filled_) std::memmove(buffer_.data(), buffer_.data() + used, filled_ - used);
  filled_ -= used;
}

void stream_road::deliver(const wire::frame_header& head, mutable_byte_view payload, road_events& to) {
  switch (head.type) {
    case wire::message_type::ready: to.on_ready(); return;
    case wire::message_type::unfit: {
      const auto message = wire::decode_unfit(payload);
      to.on_unfit(message ? message->reason : "it gave no reason");
      return;
    }
    case wire::message_type::result: break;
    default: break_off("sent a message that no worker sends"); return;
  }
  if (head.job == 0) return break_off("sent a result of no job");
  if (assembling_job_ != 0 && assembling_job_ != head.job) return break_off("mixed the frames of two results");
  if (head.has_more() || assembling_job_ != 0) return assemble(head, payload, to);
  deliver_result(head, {payload, {}}, to);
}

void stream_road::assemble(const wire::frame_header& head, byte_view payload, road_events& to) {
  if (head.is_sized() != (assembling_job_ == 0)) return break_off("sent a result in frames without its size");
  if (head.is_sized()) {
    const auto whole = wire::decode_message_size(head, payload.data());
    if (!whole) return break_off("sent a result of a size that cannot be");
    assembling_ = warm_blocks().take(*whole);
    assembled_ = 0;
    assembling_job_ = head.job;
    payload = payload.subspan(wire::message_size_bytes);
  }
  if (payload.size() > assembling_.size() - assembled_) return break_off("sent a result beyond its size");
  std::copy(payload.begin(), payload.end(), assembling_.writable().begin() + static_cast<std::ptrdiff_t>(assembled_));
  assembled_ += payload.size();
  if (head.has_more()) return;
  if (assembled_ < assembling_.size()) return break_off("sent a result short of its size");
  assembling_job_ = 0;
  const block whole = std::exchange(assembling_, {});
  deliver_result(head, {whole.writable(), whole}, to);
}

void stream_road::deliver_result(const wire::frame_header& head, handed_bytes payload, road_events& to) {
  if (payload.view.size() < wire::result_head::size) return break_off("sent a malformed result");
  to.on_result(head.job - 1, head.attempt, std::move(payload));
}

bool stream_road::take_back(std::uint64_t sequence) {
  return control_.move(sequence, claim::queued, claim::taken_back);
}

}  // namespace pp::worker
