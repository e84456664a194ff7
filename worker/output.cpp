#include "worker/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

#ifdef __GLIBCXX__
#include <ext/stdio_sync_filebuf.h>

#include "base/blocked_signals.hpp"
#endif

namespace pp::worker {
namespace {

// At the end of a job this much is read at most, so that another process that prints for ever cannot hold the result
// up.
constexpr std::size_t most_at_end = 1024 * 1024;
constexpr int moment_ms = 2;
constexpr int half_of_a_pipe = 32 * 1024;

/// The buffer of a stream that holds nothing back, else null. libstdc++ gives its streams another one when
/// sync_with_stdio(false) is called, even later.
const void* passing_on(const std::ostream& stream) {
#ifdef __GLIBCXX__
  const auto* buffer = stream.rdbuf();
  return dynamic_cast<const __gnu_cxx::stdio_sync_filebuf<char>*>(buffer) != nullptr ? buffer : nullptr;
#else
  return nullptr;
#endif
}

/// Reads what is there into `to`; false at the end of the pipe.
bool read_some(int fd, kept_stream& to) {
  const mutable_byte_view room = to.room();
  const ssize_t got = ::read(fd, room.data(), room.size());
  if (got > 0) to.grew(static_cast<std::size_t>(got));
  return got > 0;
}

bool is_half_full(int fd) {
  int waiting = 0;
  return ::ioctl(fd, FIONREAD, &waiting) == 0 && waiting >= half_of_a_pipe;
}

bool is_readable(int fd) {
  pollfd what{fd, POLLIN, 0};
  return fd >= 0 && ::poll(&what, 1, 0) > 0;
}

}  // namespace

standard_streams::standard_streams()
    : passing_on_{passing_on(std::cout), passing_on(std::cerr), passing_on(std::clog)} {}

bool standard_streams::flush() {
  bool any = false;
  std::ostream* const all[] = {&std::cout, &std::cerr, &std::clog};
  for (int i = 0; i < 3; ++i) {
    if (passing_on_[i] != nullptr && all[i]->rdbuf() == passing_on_[i]) continue;
    all[i]->flush();
    any = true;
  }
  for (std::FILE* file : {stdout, stderr}) {
    if (::__fpending(file) == 0) continue;
    std::fflush(file);
    any = true;
  }
  return any;
}

mutable_byte_view kept_stream::room() const {
  if (total_ < part_) return {head_ + total_, part_ - static_cast<std::size_t>(total_)};
  const auto at = static_cast<std::size_t>((total_ - part_) % part_);
  return {tail_ + at, part_ - at};
}

std::uint64_t kept_stream::read(bytes& to) const {
  const auto in_head = static_cast<std::size_t>(std::min<std::uint64_t>(total_, part_));
  to.insert(to.end(), head_, head_ + in_head);
  const std::uint64_t behind = total_ - in_head;
  const auto in_tail = static_cast<std::size_t>(std::min<std::uint64_t>(behind, part_));
  // The ring's oldest byte stands where the next one would be written, once it is full.
  const auto oldest = behind > part_ ? static_cast<std::size_t>(behind % part_) : 0;
  to.insert(to.end(), tail_ + oldest, tail_ + in_tail);
  to.insert(to.end(), tail_, tail_ + oldest);
  return behind - in_tail;
}

output_capture::output_capture(control_page& page, code::descriptor out, code::descriptor err)
    : page_(page),
      kept_(std::clamp<std::size_t>(page.kept, 1, stream_part)),
      ends_{std::move(out), std::move(err)},
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_) throw std::system_error(errno, std::generic_category(), "cannot watch the output of jobs");
  for (const auto& end : ends_) {
    ::fcntl(end.get(), F_SETFL, ::fcntl(end.get(), F_GETFL) | O_NONBLOCK);
  }
  const blocked_signals blocked;
  thread_ = std::thread([this] { watch(); });
  ::pthread_setname_np(thread_.native_handle(), "pp-output");
}

output_capture::~output_capture() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

kept_stream output_capture::stream(int which) const {
  output_stream_page& s = page_.streams[which];
  return {s.head, s.tail, s.total.load(std::memory_order_relaxed), kept_};
}

/// Requires: mutex_ is held.
void output_capture::drain(int which, std::size_t limit) {
  kept_stream to = stream(which);
  const std::uint64_t end = to.total() + limit;
  while (to.total() < end && read_some(ends_[which].get(), to)) {
  }
  page_.streams[which].total.store(to.total(), std::memory_order_release);
}

void output_capture::watch() {
  pollfd watched[3] = {{ends_[0].get(), POLLIN, 0}, {ends_[1].get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  while (watched[2].revents == 0) {
    if (::poll(watched, 3, -1) < 0) continue;
    // Bytes that were read but not yet counted die with the process, while the node finds those that are still in the
    // pipe. So a job's last words are left there for a moment, unless they are many.
    if (!is_half_full(ends_[0].get()) && !is_half_full(ends_[1].get())) ::poll(&watched[2], 1, moment_ms);
    for (int which = 0; which < 2; ++which) {
      if ((watched[which].revents & POLLIN) != 0) {
        const std::lock_guard lock(mutex_);
        drain(which, stream_part);
      } else if (watched[which].revents != 0) {
        watched[which].fd = -1;  // the job closed its standard output: nothing more can come
      }
    }
  }
}

bool output_capture::anything_waits() const {
  pollfd both[2] = {{ends_[0].get(), POLLIN, 0}, {ends_[1].get(), POLLIN, 0}};
  return ::poll(both, 2, 0) > 0;
}

bool output_capture::is_anything_kept() const { return stream(0).total() != 0 || stream(1).total() != 0; }

std::optional<printed_text> output_capture::take(duration run_time) {
  const bool flushed = streams_.flush();  // may block until watch() has made room, so without the lock
  if (!flushed && run_time < fastest_write && !is_anything_kept()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (anything_waits()) {
    drain(0, most_at_end);
    drain(1, most_at_end);
  }
  const kept_stream out = stream(0), err = stream(1);
  if (out.total() == 0 && err.total() == 0) return std::nullopt;
  printed_text text;
  text.out_dropped = out.read(text.out);
  text.err_dropped = err.read(text.err);
  for (auto& s : page_.streams) s.total.store(0, std::memory_order_release);
  return text;
}

void output_capture::discard() { take(fastest_write); }

namespace {

/// A copy of one stream, because whoever can write the page may still do so.
std::uint64_t read_stream_after_crash(const output_stream_page& page, int fd, std::size_t part, bytes& to) {
  const std::uint64_t total = page.total.load(std::memory_order_acquire);
  bytes copy(2 * part);
  const auto in_head = static_cast<std::size_t>(std::min<std::uint64_t>(total, part));
  const auto in_tail = static_cast<std::size_t>(std::min<std::uint64_t>(total - in_head, part));
  std::copy_n(page.head, in_head, copy.begin());
  std::copy_n(page.tail, in_tail, copy.begin() + part);
  kept_stream kept(copy.data(), copy.data() + part, total, part);
  while (kept.total() - total < most_at_end && is_readable(fd) && read_some(fd, kept)) {
  }
  return kept.read(to);
}

}  // namespace

printed_text read_after_crash(const control_page& page, int out_fd, int err_fd, std::size_t kept) {
  printed_text text;
  text.out_dropped = read_stream_after_crash(page.streams[0], out_fd, kept, text.out);
  text.err_dropped = read_stream_after_crash(page.streams[1], err_fd, kept, text.err);
  return text;
}

}  // namespace pp::worker
