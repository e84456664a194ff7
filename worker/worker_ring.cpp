#include "worker/worker_ring.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "worker/argument_arena.hpp"

namespace pp::worker {
namespace {

shared_memory open_half(const code::descriptor& fd, std::size_t size, std::uint64_t magic, shared_memory::others may) {
  auto memory = shared_memory::open(fd.get(), size, may);
  std::uint64_t found = 0;
  std::memcpy(&found, memory.data(), sizeof found);
  if (found != magic) throw std::system_error(EPROTO, std::generic_category(), "the ring is of another version");
  return memory;
}

void clear(int wake) {
  char bytes[64];
  [[maybe_unused]] const auto got = ::recv(wake, bytes, sizeof bytes, MSG_DONTWAIT);
}

}  // namespace

worker_ring::worker_ring(worker_pipe& pipe, ring_descriptors given, value_receiver* values)
    : pipe_(pipe),
      fds_(std::move(given)),
      values_(values),
      node_memory_(open_half(fds_.node_half, sizeof(node_half), node_half_magic, shared_memory::others::only_read)),
      worker_memory_(open_half(fds_.worker_half, sizeof(worker_half) + result_arena_size, worker_half_magic,
                               shared_memory::others::write)),
      node_(*reinterpret_cast<node_half*>(node_memory_.data())),
      worker_(*reinterpret_cast<worker_half*>(worker_memory_.data())),
      jobs_(node_.jobs, worker_.job_head, node_.job_tail),
      results_(worker_.results, worker_.result_tail, node_.result_head),
      budget_(std::chrono::microseconds(node_.spin_us)) {
  if (fds_.arguments) {
    arguments_ = shared_memory::open(fds_.arguments.get(), argument_arena::size, shared_memory::others::only_read);
  }
}

// --- jobs ------------------------------------------------------------------------------------------------------------

bool worker_ring::read(pipe_message& message) {
  if (!has_program_) {
    has_program_ = true;
    return pipe_.read(message);
  }
  if (std::exchange(is_holding_, false)) jobs_.pass();
  if (!wait_for_job()) return false;
  ring_frame frame;
  byte_view here;
  if (jobs_.next(frame, here) != ring_reader::status::frame) return false;
  is_holding_ = true;
  budget_.on_work(1);
  return fetch(frame, here, message);
}

bool worker_ring::fetch(const ring_frame& frame, byte_view here, pipe_message& message) {
  message.head = {frame.length, wire::message_type::submit, 0, frame.attempt, frame.sequence + 1};
  switch (frame.where) {
    case ring_frame::place::here: message.payload = here; return true;
    case ring_frame::place::arena:
      if (frame.offset > arguments_.size() || frame.length > arguments_.size() - frame.offset) return false;
      message.payload = {arguments_.data() + frame.offset, frame.length};
      return true;
    default: return pipe_.read(message) && message.head.job == frame.sequence + 1;
  }
}

bool worker_ring::wait_for_job() {
  if (!jobs_.is_empty()) return true;
  const auto began = now();
  if (look(budget_, [this] { return !jobs_.is_empty(); })) return true;
  const bool came = sleep_until_job();
  budget_.on_waited(now() - began);
  return came;
}

/// False when the node has closed the road and all its jobs are done.
bool worker_ring::sleep_until_job() {
  // A negative descriptor is passed over.
  pollfd watched[3] = {
      {fds_.wake.get(), POLLIN, 0}, {pipe_.fd(), POLLRDHUP, 0}, {values_ != nullptr ? values_->fd() : -1, POLLIN, 0}};
  for (bool is_closed = false;;) {
    worker_.sleeps.store(1, std::memory_order_seq_cst);
    const bool came = !jobs_.is_empty();
    if (came || is_closed) {
      worker_.sleeps.store(0, std::memory_order_relaxed);
      return came;
    }
    if (::poll(watched, 3, -1) < 0 && errno != EINTR) return false;
    if (watched[0].revents != 0) clear(fds_.wake.get());
    if (watched[2].revents != 0 && !values_->take_all()) watched[2].fd = -1;
    is_closed = watched[1].revents != 0;
  }
}

// --- results ---------------------------------------------------------------------------------------------------------

bool worker_ring::write(const wire::frame_header& head, std::initializer_list<byte_view> parts) {
  if (head.type != wire::message_type::result) return pipe_.write(head, parts);
  std::size_t length = 0;
  for (const byte_view part : parts) length += part.size();
  ring_frame frame;
  frame.sequence = head.job - 1;
  frame.attempt = head.attempt;
  frame.length = static_cast<std::uint32_t>(length);
  frame.where = ring_frame::place::socket;
  if (results_.takes(length)) {
    frame.where = ring_frame::place::here;
  } else if (const auto number = take_place(length)) {
    frame.where = ring_frame::place::arena;
    frame.slot = static_cast<std::uint8_t>(*number);
    frame.offset = places_[*number].offset;
    std::uint8_t* to = worker_.arena() + frame.offset;
    for (const byte_view part : parts) {
      if (!part.empty()) std::memcpy(to, part.data(), part.size());
      to += part.size();
    }
  }
  const bool is_put = frame.where == ring_frame::place::here ? results_.put(frame, parts) : results_.put(frame, {});
  if (!is_put) return false;
  wake_node();
  return frame.where != ring_frame::place::socket || pipe_.write(head, parts);
}

std::optional<std::size_t> worker_ring::take_place(std::size_t length) {
  reclaim_places();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].is_taken) continue;
    const auto offset = arena_.take(length);
    if (!offset) return std::nullopt;
    places_[i] = {true, places_[i].uses + 1, *offset};
    return i;
  }
  return std::nullopt;
}

void worker_ring::reclaim_places() {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (!places_[i].is_taken || node_.returned[i].load(std::memory_order_acquire) != places_[i].uses) continue;
    places_[i].is_taken = false;
    arena_.give_back(places_[i].offset);
  }
}

void worker_ring::wake_node() {
  const auto epoch = node_.epoch.load(std::memory_order_seq_cst);
  if (epoch % 2 == 0 || epoch == last_woken_) return;
  last_woken_ = epoch;
  const char one = 1;
  [[maybe_unused]] const auto sent = ::send(fds_.wake.get(), &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace pp::worker
