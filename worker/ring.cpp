#include "worker/ring.hpp"

#include <algorithm>
#include <cstring>

namespace pp::worker {
namespace {

constexpr std::size_t reserve = claim_slots * ring_header_size;  // for headers alone, see the top of ring.hpp

constexpr std::size_t rounded(std::size_t length) {
  return (length + ring_header_size - 1) / ring_header_size * ring_header_size;
}
std::size_t size_in_ring(const ring_frame& f) {
  return ring_header_size + (f.where == ring_frame::place::here ? rounded(f.length) : 0);
}
std::size_t until_end(std::uint64_t position) { return ring_size - position % ring_size; }

}  // namespace

// --- writing ---------------------------------------------------------------------------------------------------------

bool ring_writer::is_sane() {
  const auto head = head_.load(std::memory_order_acquire);
  if (head < passed_ || head > written_ || head % ring_header_size != 0) return false;
  passed_ = head;
  return true;
}

std::size_t ring_writer::free() { return ring_size - static_cast<std::size_t>(written_ - passed_); }

bool ring_writer::takes(std::size_t length) {
  if (length > largest_in_ring) return false;
  const std::size_t size = ring_header_size + rounded(length);
  const std::size_t filler = size > until_end(written_) ? until_end(written_) : 0;
  if (free() >= size + filler + reserve) return true;
  return is_sane() && free() >= size + filler + reserve;
}

bool ring_writer::put(const ring_frame& frame, std::initializer_list<byte_view> payload) {
  const std::size_t size = size_in_ring(frame);
  const std::size_t filler = size > until_end(written_) ? until_end(written_) : 0;
  if (free() < size + filler && (!is_sane() || free() < size + filler)) return false;
  if (filler > 0) {
    ring_frame skip;
    skip.where = ring_frame::place::skip;
    skip.length = static_cast<std::uint32_t>(filler - ring_header_size);
    std::memcpy(at(written_), &skip, sizeof skip);
    written_ += filler;
  }
  std::uint8_t* to = at(written_);
  std::memcpy(to, &frame, sizeof frame);
  to += ring_header_size;
  for (const byte_view part : payload) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  written_ += size;
  // Sequentially consistent, because the writer looks at the other side's sleep flag next.
  tail_.store(written_, std::memory_order_seq_cst);
  return true;
}

// --- reading ---------------------------------------------------------------------------------------------------------

/// Copies the header before anything in it is looked at.
ring_reader::status ring_reader::skip_to_frame(ring_frame& frame, std::uint64_t& available) {
  for (;;) {
    const auto tail = tail_.load(std::memory_order_acquire);
    available = tail - read_;
    if (available == 0) return status::empty;
    if (tail < read_ || available > ring_size || tail % ring_header_size != 0) return status::broken;
    std::memcpy(&frame, ring_ + read_ % ring_size, sizeof frame);
    if (frame.where != ring_frame::place::skip) return status::frame;
    const std::size_t size = ring_header_size + std::size_t{frame.length};
    if (size != until_end(read_) || size > available) return status::broken;
    read_ += size;
  }
}

ring_reader::status ring_reader::next(ring_frame& frame, byte_view& payload) {
  std::uint64_t available = 0;
  const auto found = skip_to_frame(frame, available);
  if (found != status::frame) return found;
  current_ = size_in_ring(frame);
  if (frame.where > ring_frame::place::skip || current_ > available || current_ > until_end(read_))
    return status::broken;
  const bool is_here = frame.where == ring_frame::place::here;
  payload = is_here ? byte_view(ring_ + read_ % ring_size + ring_header_size, frame.length) : byte_view{};
  return status::frame;
}

void ring_reader::pass() {
  read_ += current_;
  current_ = 0;
  head_.store(read_, std::memory_order_release);
}

}  // namespace pp::worker
