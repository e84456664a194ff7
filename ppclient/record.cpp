#include "ppclient/record.hpp"

#include <algorithm>
#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.hpp"
#include "base/spin.hpp"

namespace pp::detail {
namespace {

[[noreturn]] void throw_closed() { throw error(errc::closed, "the client is closed: submit before close()"); }

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, const timespec* limit) {
  static_cast<void>(::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, limit, nullptr, 0));
}
void futex_wake(std::atomic<std::uint32_t>& word) {
  static_cast<void>(::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0));
}

std::int64_t monotonic_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

struct record_pool::slab {
  job_record records[slab_records];
};

record_pool::record_pool(std::size_t max_pending_bytes, duration spin, std::function<void()> wake,
                         callback_queue::handler on_callback_error)
    : max_pending_bytes_(max_pending_bytes),
      wake_(std::move(wake)),
      spin_(spin),
      callbacks_(std::make_shared<callback_queue>(std::move(on_callback_error))),
      assemblers_(std::make_shared<callback_queue>()) {}

record_pool::~record_pool() {
  assemblers_->finish();
  callbacks_->finish();
}

job_record* record_pool::take_draft() {
  std::unique_lock hold(lock_);
  if (pending_bytes_.load() > max_pending_bytes_ && !is_closed_) {
    ++blocked_;
    room_.wait(hold, [this] { return pending_bytes_.load() <= max_pending_bytes_ || is_closed_; });
    --blocked_;
  }
  if (is_closed_) throw_closed();
  if (free_ == nullptr) {
    auto fresh = std::make_unique<slab>();
    for (std::size_t i = slab_records; i-- > 0;) {
      fresh->records[i].slot = static_cast<std::uint32_t>(slabs_.size() * slab_records + i);
      fresh->records[i].next_free = std::exchange(free_, &fresh->records[i]);
    }
    slabs_.push_back(std::move(fresh));
  }
  job_record* const record = free_;
  free_ = record->next_free;
  if (++record->generation == 0) record->generation = 1;  // id 0 means the channel itself
  record->word.store(job_record::state_draft, std::memory_order_relaxed);
  return record;
}

void record_pool::give_back(job_record* record) {
  forget_content(*record);
  const std::lock_guard hold(lock_);
  free_locked(record);
}

void record_pool::forget_content(job_record& record) {
  // Small blocks are kept for the next job; large ones would pin memory for nothing.
  if (record.data.capacity() > 4096) record.data.reset();
  record.data.clear();
  record.extra.reset();
  record.code = 0;
  record.node = nullptr;
  record.is_echoed = false;
  record.is_sent.store(false, std::memory_order_relaxed);
}

void record_pool::free_locked(job_record* record) {
  record->word.store(0, std::memory_order_relaxed);
  record->next_free = std::exchange(free_, record);
}

/// Moves what is large to where links send it from.
void record_pool::count_arguments(job_record& record) {
  const std::size_t size = record.data.size();
  if (size > large_bytes) {
    auto all = std::make_shared<payload>(std::move(record.data));
    const mutable_byte_view view(all->data(), size);
    record.more().arguments = block(std::move(all), view);
  }
  record.counted_bytes = static_cast<std::uint32_t>(size + sizeof(job_record));
  pending_bytes_ += record.counted_bytes;
}

void record_pool::submit(job_record* record) {
  if (record->is_held()) {
    record->counted_bytes = static_cast<std::uint32_t>(record->data.size() + sizeof(job_record));
    pending_bytes_ += record->counted_bytes;
  } else {
    count_arguments(*record);
  }
  record->word.store(job_record::state_pending, std::memory_order_relaxed);
  bool must_wake = false;
  {
    const std::lock_guard hold(lock_);
    if (is_closed_) {
      pending_bytes_ -= record->counted_bytes;
      forget_content(*record);
      free_locked(record);
      throw_closed();
    }
    submitted_.push_back(record);
    if (record->is_held()) hold_locked(*record);
    has_submitted_.store(true, std::memory_order_release);
    must_wake = std::exchange(is_io_asleep_, false);
  }
  if (must_wake) wake_();
}

void record_pool::complete_draft(job_record& record, const std::string* node) {
  record.node = node;
  record.word.store(job_record::state_done, std::memory_order_release);
}

void record_pool::cancel(const job_record& record) {
  if (record.word.load(std::memory_order_acquire) == job_record::state_done) return;
  bool must_wake = false;
  {
    const std::lock_guard hold(lock_);
    if (is_closed_) return;  // it ends with errc::closed
    cancelled_.push_back(record.id());
    has_submitted_.store(true, std::memory_order_release);
    must_wake = std::exchange(is_io_asleep_, false);
  }
  if (must_wake) wake_();
}

wire::job_id record_pool::name_of(const job_record& record) const {
  wire::job_id name = client_id;
  store_big_endian(name.data() + 8, record.id());
  return name;
}

void record_pool::collect(std::vector<job_record*>& into, std::vector<std::uint64_t>& cancelled) {
  into.clear();
  cancelled.clear();
  const std::lock_guard hold(lock_);
  into.swap(submitted_);
  cancelled.swap(cancelled_);
  has_submitted_.store(!ready_.empty() || !assembled_.empty(), std::memory_order_relaxed);
}

bool record_pool::arm() {
  const std::lock_guard hold(lock_);
  is_io_asleep_ = submitted_.empty() && cancelled_.empty() && ready_.empty() && assembled_.empty();
  return is_io_asleep_;
}

void record_pool::disarm() {
  const std::lock_guard hold(lock_);
  is_io_asleep_ = false;
}

void record_pool::complete(job_record* record) {
  pending_bytes_ -= record->counted_bytes;
  if (blocked_.load() > 0 && pending_bytes_.load() <= max_pending_bytes_) {
    const std::lock_guard hold(lock_);
    room_.notify_all();
  }
  // From the exchange on the record is its future's, which may give it to another job.
  const auto id = record->id();
  const ending how{0, record->code != 0, std::chrono::microseconds(record->run_us)};
  const auto before = mark_done(*record);
  if ((before & job_record::has_watcher) != 0) tell_watchers(id, how);
  constexpr auto marks = job_record::has_waiter | job_record::has_watcher | job_record::has_heirs;
  if ((before & ~marks) == job_record::state_abandoned) {
    give_back(record);
  } else if ((before & job_record::has_waiter) != 0) {
    to_wake_.push_back(record);
  }
}

void record_pool::wake_waiters() {
  for (auto* record : to_wake_) futex_wake(record->word);
  to_wake_.clear();
}

void record_pool::release(job_record* record) {
  auto seen = record->word.load(std::memory_order_acquire);
  while (seen != job_record::state_done) {
    // They are told all the same.
    const auto given_up = job_record::state_abandoned | (seen & (job_record::has_watcher | job_record::has_heirs));
    if (record->word.compare_exchange_weak(seen, given_up, std::memory_order_acq_rel)) return;
  }
  give_back(record);
}

namespace {

/// One for each thread: what one of them waits for tells nothing about another one's jobs.
spin_budget& budget_of_this_thread(duration full) {
  static thread_local spin_budget budget;
  static thread_local duration made_for = spin_budget::full_by_default;
  if (made_for != full) budget = spin_budget(made_for = full);
  return budget;
}

}  // namespace

bool record_pool::wait(job_record& record, std::int64_t limit_ns) {
  const auto is_done = [&] { return record.word.load(std::memory_order_acquire) == job_record::state_done; };
  auto& budget = budget_of_this_thread(spin_);
  budget.on_work(1);
  if (is_done()) return true;
  const auto began = now();
  const bool may_look = limit_ns < 0 || limit_ns > spin_.count();
  if (may_look && look(budget, is_done)) return true;
  const bool came = sleep_until_done(record, limit_ns);
  budget.on_waited(now() - began);
  return came;
}

bool record_pool::sleep_until_done(job_record& record, std::int64_t limit_ns) {
  const std::int64_t start = monotonic_ns();
  const std::int64_t end = limit_ns < 0 ? 0 : start + std::min(limit_ns, INT64_MAX - start);
  auto seen = record.word.load(std::memory_order_acquire);
  while (seen != job_record::state_done) {
    if ((seen & job_record::has_waiter) == 0) {
      if (!record.word.compare_exchange_weak(seen, seen | job_record::has_waiter, std::memory_order_acq_rel)) continue;
      seen |= job_record::has_waiter;
    }
    timespec rest{};
    if (limit_ns >= 0) {
      const std::int64_t left = end - monotonic_ns();
      if (left <= 0) return false;
      rest = {static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
    }
    futex_wait(record.word, seen, limit_ns < 0 ? nullptr : &rest);
    seen = record.word.load(std::memory_order_acquire);
  }
  return true;
}

void record_pool::close() {
  const std::lock_guard hold(lock_);
  is_closed_ = true;
  room_.notify_all();
}

const std::string* record_pool::keep_name(std::string name) {
  for (const auto& known : names_) {
    if (*known == name) return known.get();
  }
  names_.push_back(std::make_unique<std::string>(std::move(name)));
  return names_.back().get();
}

}  // namespace pp::detail
