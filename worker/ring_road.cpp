#include "worker/ring_road.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "wire/message.hpp"

namespace pp::worker {
namespace {

constexpr int most_results_at_once = 512;  // then other workers get their turn
constexpr int most_reads = 2;              // of these there may be honest results for: claim_slots jobs are on the road

/// Our end is put into `ours`; gives the other one.
code::descriptor make_wake_up(net::pipe_socket& ours) {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make the wake-up of a worker");
  }
  code::descriptor mine(fds[0]), theirs(fds[1]);
  net::error_code failed;
  ours.assign(net::asio::local::stream_protocol(), mine.get(), failed);
  if (failed) throw std::system_error(failed, "cannot wait for a worker");
  mine.release();
  return theirs;
}

}  // namespace

ring_road::ring_road(net::executor ex, std::shared_ptr<argument_arena> arguments, duration spin)
    : lane_(ex),
      halves_(std::make_shared<halves>(halves{
          shared_memory::create("pp-jobs", sizeof(node_half), shared_memory::others::only_read),
          shared_memory::create("pp-results", sizeof(worker_half) + result_arena_size, shared_memory::others::write)})),
      arguments_(std::move(arguments)),
      wake_(ex),
      ended_(ex, net::steady_timer::time_point::max()),
      worker_wake_(make_wake_up(wake_)),
      loop_(net::poll_list::of(ex)),
      jobs_(halves_->ours().jobs, halves_->ours().job_tail, halves_->theirs().job_head),
      results_(halves_->theirs().results, halves_->ours().result_head, halves_->theirs().result_tail) {
  halves_->ours().magic = node_half_magic;
  halves_->theirs().magic = worker_half_magic;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(spin).count();
  halves_->ours().spin_us = static_cast<std::uint32_t>(micros);
}

ring_road::~ring_road() { close(); }

worker_descriptors ring_road::worker_ends() const {
  auto ends = lane_.worker_ends();
  ends.node_half = halves_->node.fd();
  ends.worker_half = halves_->worker.fd();
  ends.wake = worker_wake_.get();
  ends.arguments = arguments_ ? arguments_->fd() : -1;
  return ends;
}

void ring_road::release_worker_end() {
  lane_.release_worker_end();
  worker_wake_.reset();
  halves_->node.close_fd();
  halves_->worker.close_fd();
}

net::awaitable<void> ring_road::run(road_events& to) {
  if (is_closed_) co_return;
  to_ = &to;
  if (is_broken_) to.on_broken(problem_);  // by the jobs that were sent before
  loop_.add(*this);
  try {
    co_await net::until_either_fails(run_lane(), watch_ring());
  } catch (const net::system_error&) {
    // The lane has told its reason.
  }
}

net::awaitable<void> ring_road::run_lane() {
  road_events& self = *this;  // a private base: only here may it be seen
  co_await lane_.run(self);
  throw net::system_error(net::asio::error::eof);
}

/// Where nobody looks after pollers the ring is armed whenever this waits.
net::awaitable<void> ring_road::watch_ring() {
  for (;;) {
    while (!loop_.is_looked_after() && !is_over() && !arm()) poll();
    co_await wake_.async_wait(net::pipe_socket::wait_read, net::use_awaitable);
    std::array<char, 4096> bytes{};
    const auto got = ::recv(wake_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    poll();
    if (got != 0) continue;
    // The worker has closed it: the lane, or its exit, will tell.
    net::error_code ignored;
    co_await ended_.async_wait(net::redirect_error(net::use_awaitable, ignored));
    throw net::system_error(net::operation_aborted);
  }
}

void ring_road::close() noexcept {
  if (std::exchange(is_closed_, true)) return;
  if (to_ != nullptr) loop_.remove(*this);
  lane_.close();
  net::error_code ignored;
  wake_.close(ignored);
  ended_.cancel();
}

// --- jobs out --------------------------------------------------------------------------------------------------------

void ring_road::send_job(std::uint64_t sequence, std::uint16_t attempt, const job_bytes& job) {
  if (is_closed_ || is_broken_) return;
  lane_.set_queued(sequence);
  copied_arguments_[sequence % claim_slots] = {};
  ring_frame frame;
  frame.sequence = sequence;
  frame.attempt = attempt;
  frame.length = static_cast<std::uint32_t>(job.view().size());
  bool is_put = false;
  if (jobs_.takes(job.view().size())) {
    is_put = jobs_.put(frame, {job.view()});
  } else if (put_in_arena(frame, job)) {
    is_put = jobs_.put(frame, {});
  } else {
    frame.where = ring_frame::place::socket;
    is_put = jobs_.put(frame, {});
    lane_.send_job(sequence, attempt, job);
  }
  if (!is_put) break_off("does not pass the jobs it was given");
}

bool ring_road::put_in_arena(ring_frame& frame, const job_bytes& job) {
  if (!arguments_) return false;
  frame.where = ring_frame::place::arena;
  if (const auto there = arguments_->offset_of(job.large())) {
    frame.offset = *there;
    return true;
  }
  block& place = copied_arguments_[frame.sequence % claim_slots];
  place = arguments_->take(job.view().size());
  if (!place) return false;
  std::memcpy(place.writable().data(), job.view().data(), job.view().size());
  frame.offset = *arguments_->offset_of(place);
  return true;
}

void ring_road::flush() {
  if (is_closed_) return;
  lane_.flush();
  auto& sleeps = halves_->theirs().sleeps;
  if (sleeps.load(std::memory_order_seq_cst) == 0 || sleeps.exchange(0) == 0) return;
  const char one = 1;
  [[maybe_unused]] const auto sent = ::send(wake_.native_handle(), &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool ring_road::take_back(std::uint64_t sequence) {
  if (!lane_.take_back(sequence)) return false;
  copied_arguments_[sequence % claim_slots] = {};
  return true;
}

// --- results back ----------------------------------------------------------------------------------------------------

bool ring_road::arm() {
  if (is_over()) return true;
  epoch_ += epoch_ % 2 == 0 ? 1 : 2;
  halves_->ours().epoch.store(epoch_, std::memory_order_seq_cst);
  return results_.is_empty() || is_waiting_for_socket();
}

void ring_road::disarm() {
  if (epoch_ % 2 == 0) return;
  halves_->ours().epoch.store(++epoch_, std::memory_order_relaxed);
}

bool ring_road::poll() {
  if (is_over() || results_.is_empty()) return false;
  const bool found = read_results();
  if (found && !is_closed_) to_->on_batch_end();
  return found;
}

/// What there is no memory for costs this worker: the loop has nobody else to tell.
bool ring_road::read_results() try { return read_some_results(); } catch (const std::bad_alloc&) {
  break_off("sent more than there is memory for");
  return false;
}

bool ring_road::read_some_results() {
  int told = 0;
  while (told < most_results_at_once && !is_over() && read_one() == step::told) ++told;
  loop_.note_work(static_cast<std::size_t>(told));
  return told > 0;
}

ring_road::step ring_road::read_one() {
  ring_frame frame;
  byte_view here;
  switch (results_.next(frame, here)) {
    case ring_reader::status::empty: return step::none;
    case ring_reader::status::broken: break_off("spoiled its result ring"); return step::over;
    case ring_reader::status::frame: break;
  }
  if (frame.where != ring_frame::place::socket) return tell(frame, here);
  is_waiting_ = !from_socket_;
  if (is_waiting_) return step::none;  // its bytes are still on their way
  auto result = std::exchange(from_socket_, std::nullopt);
  copied_arguments_[frame.sequence % claim_slots] = {};
  results_.pass();
  if (result->sequence != frame.sequence) {
    break_off("sent another result than it announced");
    return step::over;
  }
  to_->on_result(frame.sequence, frame.attempt, std::move(result->payload));
  return step::told;
}

ring_road::step ring_road::tell(const ring_frame& frame, byte_view here) {
  const bool is_here = frame.where == ring_frame::place::here;
  const bool is_long_enough = frame.length >= wire::result_head::size;
  if (!is_long_enough || (is_here && here.size() > largest_in_ring)) {
    break_off("sent a malformed result");
    return step::over;
  }
  copied_arguments_[frame.sequence % claim_slots] = {};
  if (!is_here) return tell_from_arena(frame);
  // Copied, because the worker could change it between a check and its use.
  std::memcpy(copy_.data(), here.data(), here.size());
  results_.pass();
  to_->on_result(frame.sequence, frame.attempt, {{copy_.data(), here.size()}, {}});
  return step::told;
}

ring_road::step ring_road::tell_from_arena(const ring_frame& frame) {
  if (frame.slot >= arena_places || frame.offset > result_arena_size ||
      frame.length > result_arena_size - frame.offset) {
    break_off("sent a result from nowhere");
    return step::over;
  }
  std::uint8_t* const data = halves_->theirs().arena() + frame.offset;
  std::shared_ptr<void> owner(data, [keep = halves_, number = frame.slot](void*) {
    keep->ours().returned[number].fetch_add(1, std::memory_order_release);
  });
  results_.pass();
  const mutable_byte_view view(data, frame.length);
  to_->on_result(frame.sequence, frame.attempt, {view, block(std::move(owner), view)});
  return step::told;
}

void ring_road::on_result(std::uint64_t sequence, std::uint16_t attempt, handed_bytes payload) {
  if (is_over()) return;
  if (from_socket_) return break_off("sent two results where it announced one");
  if (!payload.owned) payload.owned = block::of(bytes(payload.view.begin(), payload.view.end()));
  payload.view = payload.owned.writable();
  from_socket_ = socket_result{sequence, attempt, std::move(payload)};
  for (int i = 0; i < most_reads && from_socket_ && read_results(); ++i) {
  }
  if (from_socket_ && !is_over()) break_off("sent a result that it did not announce");
}

void ring_road::drain(road_events& to) {
  if (is_over()) return;
  road_events& self = *this;
  lane_.drain(self);
  // Bounded, because a stray grandchild may still write there.
  for (int i = 0; i < most_reads && read_results(); ++i) {
  }
  if (!is_closed_) to.on_batch_end();
}

void ring_road::on_broken(const std::string& reason) {
  if (!is_closed_ && !is_broken_) to_->on_broken(reason);
}

void ring_road::break_off(const char* reason) {
  if (std::exchange(is_broken_, true)) return;
  problem_ = reason;
  if (to_ != nullptr) to_->on_broken(problem_);
}

// --- which road ------------------------------------------------------------------------------------------------------

std::unique_ptr<road> make_road(net::executor ex, road_kind kind, std::shared_ptr<argument_arena> arguments,
                                duration spin) {
  if (kind == road_kind::socket) return std::make_unique<stream_road>(ex);
  try {
    return std::make_unique<ring_road>(ex, std::move(arguments), spin);
  } catch (const std::system_error& e) {
    if (kind == road_kind::ring) throw;
    log::warn("no_ring", {{"reason", e.what()}, {"instead", "a socket pair: slower, else the same"}});
  }
  return std::make_unique<stream_road>(ex);
}

}  // namespace pp::worker
