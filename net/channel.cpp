#include "net/channel.hpp"

#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "net/deadline.hpp"

namespace pp::net {
namespace {

constexpr std::size_t first_read_buffer = 16 * 1024;
constexpr std::size_t largest_read_buffer = 2 * (wire::max_frame_payload + wire::frame_header_size);

// What an incomplete message costs besides its bytes: without it, a peer could begin messages without end, all empty.
constexpr std::size_t assembly_cost = 128;

[[noreturn]] void fail(const char* what) { throw system_error(asio::error::invalid_argument, what); }

wire::frame_header header_of(wire::message_type type, std::uint64_t job, std::uint16_t attempt, std::size_t length) {
  return {static_cast<std::uint32_t>(length), type, 0, attempt, job};
}

}  // namespace

channel::channel(std::unique_ptr<byte_stream> stream, const limits& l)
    : stream_(std::move(stream)),
      limits_(l),
      writer_wake_(stream_->get_executor(), steady_timer::time_point::max()),
      drained_(stream_->get_executor(), steady_timer::time_point::max()) {}

channel::~channel() = default;

awaitable<void> channel::run(handler& to) { co_await until_either_fails(read_frames(to), write_frames(to)); }

void channel::close() noexcept {
  if (closed_) return;
  closed_ = true;
  stream_->close();
  writer_wake_.cancel();
  drained_.cancel();
}

// --- sending ---------------------------------------------------------------------------------------------------------

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view payload) {
  send(type, job, attempt, payload, {});
}

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first,
                   byte_view second) {
  const std::size_t size = first.size() + second.size();
  if (size <= wire::max_frame_payload) {
    append_small(header_of(type, job, attempt, size), first, second);
    return;
  }
  bytes joined;
  joined.reserve(size);
  joined.insert(joined.end(), first.begin(), first.end());
  joined.insert(joined.end(), second.begin(), second.end());
  send(type, job, attempt, std::move(joined));
}

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, bytes payload) {
  if (payload.size() <= wire::max_frame_payload / 4) {
    append_small(header_of(type, job, attempt, payload.size()), payload, {});
    return;
  }
  segment s{header_of(type, job, attempt, 0), {}, {}, std::move(payload), nullptr};
  s.rest = s.owned;  // moving a vector keeps its storage, so the view stays right
  append_large(std::move(s));
}

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, block payload) {
  append_large({header_of(type, job, attempt, 0), {}, payload.view(), {}, payload.owner()});
}

void channel::send_shared(wire::message_type type, std::uint64_t job, std::uint16_t attempt, bytes first,
                          byte_view second, std::shared_ptr<const void> owner) {
  append_large({header_of(type, job, attempt, 0), std::move(first), second, {}, std::move(owner)});
}

void channel::append_small(const wire::frame_header& head, byte_view first, byte_view second) {
  if (closed_) return;
  const std::size_t start = small_.size();
  small_.resize(start + wire::frame_header_size);
  wire::encode_frame_header(head, small_.data() + start);
  small_.insert(small_.end(), first.begin(), first.end());
  small_.insert(small_.end(), second.begin(), second.end());
  queued_bytes_ += small_.size() - start;
  was_full_ = was_full_ || is_full();
  writer_wake_.cancel();
}

void channel::append_large(segment s) {
  if (closed_) return;
  PP_CHECK(s.first.size() <= wire::max_frame_payload / 2);
  queued_bytes_ += s.first.size() + s.rest.size();
  was_full_ = was_full_ || is_full();
  large_.push_back(std::move(s));
  writer_wake_.cancel();
}

awaitable<void> channel::write_frames(handler& to) {
  for (;;) {
    if (small_.empty() && large_.empty()) {
      drained_.cancel();
      error_code ignored;
      co_await writer_wake_.async_wait(redirect_error(use_awaitable, ignored));
      if (closed_) throw system_error(operation_aborted);
      continue;
    }
    if (!small_.empty()) {
      writing_.clear();
      writing_.swap(small_);
      const byte_view none;
      co_await stream_->write(writing_, none);
      note_written(writing_.size(), to);
    }
    if (!large_.empty()) {
      co_await write_one_frame_of_large();
      note_written(0, to);
    }
  }
}

awaitable<void> channel::write_one_frame_of_large() {
  // Taken out of the queue while it is written: send() may add to the queue meanwhile.
  segment s = std::move(large_.front());
  large_.pop_front();
  const std::size_t part = std::min(s.rest.size(), wire::max_frame_payload - s.first.size());
  const bool more = part < s.rest.size();
  s.head.length = static_cast<std::uint32_t>(s.first.size() + part);
  s.head.flags = more ? wire::flag_more : 0;
  bytes front(wire::frame_header_size);
  wire::encode_frame_header(s.head, front.data());
  front.insert(front.end(), s.first.begin(), s.first.end());
  const byte_view payload = s.rest.first(part);
  co_await stream_->write(front, payload);
  queued_bytes_ -= s.first.size() + part;
  bytes_sent_ += front.size() + part;
  s.first.clear();
  s.rest = s.rest.subspan(part);
  // At the back: messages take turns. Frames of one (type, job) never alternate because a job has one message a direction.
  if (more) large_.push_back(std::move(s));
}

void channel::note_written(std::size_t count, handler& to) {
  queued_bytes_ -= count;
  bytes_sent_ += count;
  if (was_full_ && queued_bytes_ < limits_.low_water_bytes) {
    was_full_ = false;
    to.on_writable();
  }
}

awaitable<void> channel::flush() {
  while (queued_bytes_ > 0 && !closed_) {
    error_code ignored;
    co_await drained_.async_wait(redirect_error(use_awaitable, ignored));
  }
  if (queued_bytes_ > 0) throw system_error(operation_aborted);
}

// --- receiving -------------------------------------------------------------------------------------------------------

awaitable<void> channel::read_frames(handler& to) {
  bytes buffer(first_read_buffer);
  std::size_t filled = 0;
  for (;;) {
    const mutable_byte_view room(buffer.data() + filled, buffer.size() - filled);
    const std::size_t got = co_await stream_->read_some(room);
    last_received_ = now();
    bytes_received_ += got;
    filled += got;
    const std::size_t used = parse({buffer.data(), filled}, to);
    to.on_batch_end();
    if (closed_) throw system_error(operation_aborted);
    const bool was_filled_up = filled == buffer.size();
    if (used > 0) std::memmove(buffer.data(), buffer.data() + used, filled - used);
    filled -= used;
    // Starts small because a node may have a thousand idle sessions, grows with the traffic.
    if (was_filled_up && buffer.size() < largest_read_buffer) {
      buffer.resize(std::min(buffer.size() * 4, largest_read_buffer));
    }
  }
}

std::size_t channel::parse(byte_view from, handler& to) {
  std::size_t used = 0;
  while (from.size() - used >= wire::frame_header_size && !closed_) {
    const auto head = wire::decode_frame_header(from.data() + used);
    if (!head) fail("malformed frame");
    if (from.size() - used < wire::frame_header_size + head->length) break;
    const byte_view payload = from.subspan(used + wire::frame_header_size, head->length);
    used += wire::frame_header_size + head->length;
    deliver(*head, payload, to);
  }
  return used;
}

void channel::deliver(const wire::frame_header& head, byte_view payload, handler& to) {
  const bool more = (head.flags & wire::flag_more) != 0;
  const auto key = std::make_pair(head.type, head.job);
  auto known = assembling_.empty() ? assembling_.end() : assembling_.find(key);
  if (known == assembling_.end() && !more) {
    to.on_message({head, payload, nullptr});
    return;
  }
  if (known == assembling_.end()) {
    known = assembling_.emplace(key, bytes{}).first;
    assembling_bytes_ += assembly_cost;
  }
  bytes& whole = known->second;
  if (whole.size() + payload.size() > wire::max_message_bytes ||
      assembling_bytes_ + payload.size() > limits_.assembling_bytes) {
    fail("message above its limit");
  }
  whole.insert(whole.end(), payload.begin(), payload.end());
  assembling_bytes_ += payload.size();
  if (more) return;
  bytes done = std::move(whole);
  assembling_bytes_ -= done.size() + assembly_cost;
  assembling_.erase(known);
  to.on_message({head, done, &done});
}

}  // namespace pp::net
