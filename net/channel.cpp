#include "net/channel.hpp"

#include <algorithm>
#include <array>

#include "base/block_pool.hpp"
#include "base/check.hpp"
#include "net/deadline.hpp"

namespace pp::net {
namespace {

constexpr std::size_t first_read_buffer = 16 * 1024;
// Small frames only: whatever is longer than channel::largest_copied is read straight to its place.
constexpr std::size_t largest_read_buffer = 2 * channel::largest_copied;
// Between the frames of large messages only so much is read, because what follows a header shall not come here.
constexpr std::size_t front_read = 1024;
// Of a message, before its place is asked for.
constexpr std::size_t least_beginning = 24;
// A cut frame with its header fills TLS records to the end.
constexpr std::size_t cut_length = wire::max_frame_payload - wire::frame_header_size;

// What an incomplete message costs besides its bytes: without it, a peer could begin messages without end, all empty.
constexpr std::size_t assembly_cost = 128;

[[noreturn]] void refuse_frame(const char* what) { throw system_error(asio::error::invalid_argument, what); }

wire::frame_header header_of(wire::message_type type, std::uint64_t job, std::uint16_t attempt, std::size_t length) {
  return {static_cast<std::uint32_t>(length), type, 0, attempt, job};
}

}  // namespace

channel::channel(std::unique_ptr<byte_stream> stream, const limits& l)
    : stream_(std::move(stream)),
      limits_(l),
      loop_(poll_list::of(stream_->get_executor())),
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
  send(type, job, attempt, payload, byte_view{});
}

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first,
                   byte_view second) {
  const std::size_t size = first.size() + second.size();
  if (size <= wire::max_frame_payload) return append_small(header_of(type, job, attempt, size), first, second);
  // Frame by frame, each copied, so that the order is kept.
  bytes whole(first.begin(), first.end());
  whole.insert(whole.end(), second.begin(), second.end());
  std::array<std::uint8_t, wire::message_size_bytes> front{};
  store_big_endian<std::uint64_t>(front.data(), size);
  auto head = header_of(type, job, attempt, cut_length);
  head.flags = wire::flag_more | wire::flag_sized;
  byte_view rest = whole;
  append_small(head, front, rest.first(cut_length - front.size()));
  rest = rest.subspan(cut_length - front.size());
  while (!rest.empty()) {
    const std::size_t part = std::min(rest.size(), cut_length);
    head = header_of(type, job, attempt, part);
    head.flags = part < rest.size() ? wire::flag_more : 0;
    append_small(head, rest.first(part), {});
    rest = rest.subspan(part);
  }
}

void channel::send(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view first, block second) {
  if (first.size() + second.size() <= largest_copied) return send(type, job, attempt, first, second.view());
  PP_CHECK(first.size() <= largest_first_part);
  segment s;
  s.head = header_of(type, job, attempt, 0);
  s.first.assign(first.begin(), first.end());
  s.rest = std::move(second);
  append_large(std::move(s));
}

void channel::send_behind(wire::message_type type, std::uint64_t job, std::uint16_t attempt, byte_view payload) {
  segment* const before = find_large(job);
  if (before == nullptr) return send(type, job, attempt, payload);
  const std::size_t start = before->behind.size();
  before->behind.resize(start + wire::frame_header_size);
  wire::encode_frame_header(header_of(type, job, attempt, payload.size()), before->behind.data() + start);
  before->behind.insert(before->behind.end(), payload.begin(), payload.end());
  queued_bytes_ += wire::frame_header_size + payload.size();
}

channel::segment* channel::find_large(std::uint64_t job) {
  for (auto* queue : {&large_, &waiting_}) {
    for (auto& s : *queue) {
      if (s.head.job == job) return &s;
    }
  }
  return nullptr;
}

void channel::append_small(wire::frame_header head, byte_view first, byte_view second) {
  if (closed_) return;
  const std::size_t start = small_.size();
  small_.resize(start + wire::frame_header_size + first.size() + second.size());
  std::uint8_t* to = small_.data() + start;
  wire::encode_frame_header(head, to);
  to = std::copy(first.begin(), first.end(), to + wire::frame_header_size);
  std::copy(second.begin(), second.end(), to);
  queued_bytes_ += small_.size() - start;
  was_full_ = was_full_ || is_full();
  writer_wake_.cancel();
}

void channel::append_large(segment s) {
  if (closed_) return;
  queued_bytes_ += s.size();
  was_full_ = was_full_ || is_full();
  waiting_.push_back(std::move(s));
  writer_wake_.cancel();
}

// Never more at once than the receiver has room for: it bounds what it puts together (limits::assembling_bytes).
void channel::begin_waiting() {
  while (!waiting_.empty() && (large_.empty() || begun_bytes_ + waiting_.front().size() <= wire::max_message_bytes)) {
    begun_bytes_ += waiting_.front().size();
    large_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

awaitable<void> channel::write_frames(handler& to) {
  for (;;) {
    begin_waiting();
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
  segment& s = large_.front();  // stays there while it is written: others are only added behind it
  const bool is_first = s.written == 0;
  bytes front(wire::frame_header_size + wire::message_size_bytes + (is_first ? s.first.size() : 0));
  const bool is_cut = is_first && s.size() > cut_length;
  const std::size_t extra = is_cut ? wire::message_size_bytes : 0;
  const std::size_t carried = std::min(s.left(), cut_length - extra);
  const std::size_t of_first = is_first ? s.first.size() : 0;
  std::size_t front_size = wire::frame_header_size;
  if (is_cut) {
    front_size = wire::encode_first_of_several(s.head, carried, s.size(), front.data());
  } else {
    s.head.length = static_cast<std::uint32_t>(carried);
    s.head.flags = carried < s.left() ? wire::flag_more : 0;
    wire::encode_frame_header(s.head, front.data());
  }
  std::copy_n(s.first.begin(), of_first, front.begin() + static_cast<std::ptrdiff_t>(front_size));
  front_size += of_first;
  const std::size_t part = carried - of_first;
  const byte_view before(front.data(), front_size);
  const byte_view payload = s.rest.view().subspan(s.written, part);
  co_await stream_->write(before, payload);
  s.written += part;
  queued_bytes_ -= carried;
  bytes_sent_ += front_size + part;
  turn_large();
}

// Messages take turns. Frames of one (type, job) never alternate because a job has one message a direction.
void channel::turn_large() {
  segment s = std::move(large_.front());
  large_.pop_front();
  if (s.written < s.rest.size()) {
    large_.push_back(std::move(s));
    return;
  }
  begun_bytes_ -= s.size();
  small_.insert(small_.end(), s.behind.begin(), s.behind.end());  // counted as queued already
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

block channel::handler::place_for(const wire::frame_header&, byte_view, std::size_t size) {
  return warm_blocks().take(size);
}

void channel::note_received(std::size_t count) {
  last_received_ = now();
  bytes_received_ += count;
}

awaitable<void> channel::read_frames(handler& to) {
  bytes buffer(first_read_buffer);
  std::size_t filled = 0;
  for (;;) {
    const std::size_t free = buffer.size() - filled;
    const mutable_byte_view room(buffer.data() + filled, expects_large_ ? std::min(free, front_read) : free);
    const std::size_t got = co_await stream_->read_some(room);
    note_received(got);
    filled += got;
    expects_large_ = !assembling_.empty();
    const std::size_t used = parse({buffer.data(), filled}, to);
    to.on_batch_end();
    if (closed_) throw system_error(operation_aborted);
    const bool was_filled_up = filled == buffer.size();
    if (used > 0) std::memmove(buffer.data(), buffer.data() + used, filled - used);
    filled -= used;
    if (placing_) {
      co_await read_placed(to);
    } else if (was_filled_up && buffer.size() < largest_read_buffer) {
      // Starts small because a node may have a thousand idle sessions, grows with the traffic.
      buffer.resize(std::min(buffer.size() * 4, largest_read_buffer));
    }
  }
}

// The rest of the frame, straight to its place.
awaitable<void> channel::read_placed(handler& to) {
  auto& m = placing_->of->second;
  while (placing_->left > 0) {
    const mutable_byte_view room = m.room().first(placing_->left);
    const std::size_t got = co_await stream_->read_some(room);
    note_received(got);
    m.filled += got;
    placing_->left -= got;
  }
  const auto done = *std::exchange(placing_, std::nullopt);
  end_frame(done, to);
  to.on_batch_end();
  if (closed_) throw system_error(operation_aborted);
}

bool channel::is_placed(const wire::frame_header& head) const {
  if (head.has_more() || head.length > largest_copied) return true;
  return !assembling_.empty() && assembling_.count({head.type, head.job}) > 0;
}

std::size_t channel::parse(byte_view from, handler& to) {
  std::size_t used = 0, frames = 0;
  while (from.size() - used >= wire::frame_header_size && !closed_ && !placing_) {
    const auto head = wire::decode_frame_header(from.data() + used);
    if (!head) refuse_frame("malformed frame");
    const byte_view rest = from.subspan(used + wire::frame_header_size);
    std::size_t taken = head->length;
    if (is_placed(*head)) {
      if (rest.size() < std::min<std::size_t>(head->length, wire::message_size_bytes + least_beginning)) break;
      taken = parse_placed(*head, rest, to);
    } else {
      if (rest.size() < taken) break;
      to.on_message({*head, rest.first(taken), {}});
    }
    used += wire::frame_header_size + taken;
    ++frames;
  }
  loop_.note_work(frames);
  return used;
}

// One frame of a large message, as far as it is there; gives how much that was.
std::size_t channel::parse_placed(const wire::frame_header& head, byte_view from, handler& to) {
  expects_large_ = true;
  const byte_view here = from.first(std::min<std::size_t>(from.size(), head.length));
  auto known = assembling_.find({head.type, head.job});
  std::size_t skipped = 0;
  if (known == assembling_.end()) {
    known = begin_message(head, here, to);
    skipped = head.is_sized() ? wire::message_size_bytes : 0;
  } else if (head.is_sized()) {
    refuse_frame("a message begins in the middle of another");
  }
  incoming& m = known->second;
  const byte_view part = here.subspan(skipped);
  const std::size_t carried = head.length - skipped;
  const std::size_t left = m.size - m.filled;
  if (carried > left || (!head.has_more() && carried < left)) refuse_frame("a message breaks its size");
  std::copy(part.begin(), part.end(), m.room().begin());
  m.filled += part.size();
  const placed_frame frame{head, known, carried - part.size()};
  if (frame.left > 0) {
    placing_ = frame;
  } else {
    end_frame(frame, to);
  }
  return here.size();
}

channel::incoming_messages::iterator channel::begin_message(const wire::frame_header& head, byte_view beginning,
                                                            handler& to) {
  incoming m;
  m.size = head.length;
  if (head.has_more()) {
    const auto whole = wire::decode_message_size(head, beginning.data());
    if (!whole) refuse_frame("a message of several frames without a size that can be");
    m.size = static_cast<std::size_t>(*whole);
    beginning = beginning.subspan(wire::message_size_bytes);
  }
  if (assembling_bytes_ + m.size + assembly_cost > limits_.assembling_bytes)
    refuse_frame("too many incomplete messages");
  const block place = to.place_for(head, beginning, m.size);
  PP_CHECK(place.size() >= m.size);
  m.to = block(place.owner(), place.writable().first(m.size));
  assembling_bytes_ += m.size + assembly_cost;
  return assembling_.emplace(std::make_pair(head.type, head.job), std::move(m)).first;
}

void channel::end_frame(const placed_frame& frame, handler& to) {
  if (frame.head.has_more()) return;
  const incoming m = std::move(frame.of->second);
  assembling_.erase(frame.of);
  assembling_bytes_ -= m.size + assembly_cost;
  to.on_message({frame.head, m.to.view(), m.to});
}

}  // namespace pp::net
