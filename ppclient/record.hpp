// The pooled record behind a future: one atomic word, arguments and result; and the pool with the program's one lock.
//
// Life of a record: draft (a caller encodes into it) → pending (the I/O thread owns all but the word) → done (the future owns it)
// → free. A future given up while pending leaves `abandoned`, and the I/O thread frees the record when the job is done.
// Promises: records are never given back to the allocator while the pool lives, so a late wake-up touches valid memory; an id is
// generation << 32 | slot, so a late result is recognised without any table.
// Threads: the word from any; the pool's functions as each says.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/crypto.hpp"
#include "base/block.hpp"
#include "base/clock.hpp"
#include "pp/detail/payload.hpp"
#include "pp/detail/shared_value.hpp"
#include "pp/detail/watching.hpp"
#include "pp/error.hpp"
#include "ppclient/callbacks.hpp"
#include "ppclient/held.hpp"
#include "ppclient/job_terms.hpp"
#include "wire/message.hpp"

namespace pp::detail {

/// What few jobs need: large results, printed output, errors.
struct record_extra {
  block arguments;  ///< instead of job_record::data above 64 KiB: links send from it without a copy
  block whole;      ///< a large result's message, where it was received; the value begins at value_offset
  std::size_t value_offset = 0;
  std::string out, err;
  std::uint64_t out_dropped = 0, err_dropped = 0;
  std::string text;                                          ///< of a pp::error
  std::shared_ptr<job_report> why;                           ///< of a failure, and attempts that failed before
  std::shared_ptr<const ppclient::job_terms> how;            ///< what its caller said about it; null for most jobs
  std::unique_ptr<const auth::digest> journal_key;           ///< of a client with a journal
  shared_values values;                                      ///< that its arguments name, until it is done
  std::shared_ptr<held_call> held;                           ///< until the job has its arguments; null for most
  std::weak_ptr<const ended_job> told;                       ///< its value, for those that wait for it
  end_pointer failed_input;                                  ///< why it was not run
  std::int64_t submitted_ms = 0, sent_ms = 0, ended_ms = 0;  ///< of a failure: since 1970, 0 = never

  job_report& report() {
    if (!why) why = std::make_shared<job_report>();
    return *why;
  }
  void tell_times(job_report& to) const {
    const auto moment = [](std::int64_t ms) {
      return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms));
    };
    to.submitted = moment(submitted_ms);
    to.sent = moment(sent_ms);
    to.ended = moment(ended_ms);
  }
};

struct job_record {
  static constexpr std::uint32_t state_pending = 1, state_done = 2, state_abandoned = 3, state_draft = 4;
  static constexpr std::uint32_t has_waiter = 1U << 31U;
  static constexpr std::uint32_t has_watcher = 1U << 30U;  ///< complete() must look into the pool's table
  static constexpr std::uint32_t has_heirs = 1U << 29U;    ///< the same for jobs that wait for this one

  std::atomic<std::uint32_t> word{0};
  std::uint32_t generation = 0;
  std::uint32_t slot = 0;
  std::uint16_t code = 0;  ///< 0 = value, else errc
  bool is_echoed = false;
  std::atomic<bool> is_sent{false};  ///< a node has it; for people who watch
  union {
    std::uint32_t image = 0;
    std::uint32_t run_us;  ///< once it has a result: how long it ran; here because 200 bytes a job are the aim
  };
  std::uint32_t counted_bytes = 0;  ///< of back-pressure, given back when the job is done
  union {
    std::uint64_t decoder = 0;
    job_record* next_free;  ///< while it is free
  };
  std::uint64_t function = 0;
  /// Milliseconds as the I/O thread counts them.
  struct stamps {
    std::uint32_t submitted, sent;
  };
  union {
    const std::string* node = nullptr;  ///< where it ran; lives as long as the pool
    stamps when;                        ///< while it is pending; in the same place for the sake of the 200 bytes
  };
  payload data;  ///< arguments, then the value
  std::unique_ptr<record_extra> extra;

  std::uint64_t id() const { return std::uint64_t{generation} << 32U | slot; }
  /// Empty if the arguments lie in `data`.
  block large_arguments() const { return extra ? extra->arguments : block(); }
  byte_view arguments() const {
    return extra && extra->arguments ? extra->arguments.view() : byte_view(data.data(), data.size());
  }
  const ppclient::job_terms* how() const { return extra ? extra->how.get() : nullptr; }
  byte_view terms() const {
    const auto* const said = how();
    return said != nullptr ? byte_view(said->encoded) : byte_view();
  }
  bool is_held() const { return extra && extra->held; }
  void forget_arguments() {
    if (!extra) return;
    extra->arguments = {};
    extra->values = {};
    extra->held.reset();
  }
  record_extra& more() {
    if (!extra) extra = std::make_unique<record_extra>();
    return *extra;
  }
};

/// The beginning of a job's SUBMIT, up to its arguments.
inline payload submit_head(const job_record& job, std::uint32_t image, const wire::job_id& id) {
  const byte_view terms = job.terms();
  std::array<std::uint8_t, wire::submit::size> fixed;
  wire::encode_submit({image, job.decoder, job.function, static_cast<std::uint32_t>(terms.size()), id}, fixed.data());
  payload head;
  head.append(fixed.data(), fixed.size());
  head.append(terms.data(), terms.size());
  return head;
}

class record_pool {
 public:
  static constexpr std::size_t slab_records = 512;
  static constexpr std::size_t large_bytes = 64 * 1024;

  /// `wake` is called (from the submitting thread, outside the lock) when the I/O thread sleeps and must look at the
  /// queue. With a `spin` of zero callers sleep at once; else they look for a moment whether their job is done
  /// (base/spin).
  record_pool(std::size_t max_pending_bytes, duration spin, std::function<void()> wake,
              callback_queue::handler on_callback_error = {});
  ~record_pool();

  // --- any thread
  /// A draft; blocks while too many bytes are pending. Throws pp::error(errc::closed).
  job_record* take_draft();
  void give_back(job_record* record);
  /// Hands the draft to the I/O thread. Throws pp::error(errc::closed) and frees it.
  void submit(job_record* record);
  /// The draft is done already, with what it holds; no other thread ever sees it.
  void complete_draft(job_record& record, const std::string* node);
  /// The future lets go: frees a finished record, marks a pending one abandoned.
  void release(job_record* record);
  /// The I/O thread is told to cancel the job, unless it is done. Requires: the future still has it.
  void cancel(const job_record& record);
  /// Its name for ever: records are used again, but never with the same id.
  wire::job_id name_of(const job_record& record) const;
  /// False if `limit` passed first; negative = for ever.
  bool wait(job_record& record, std::int64_t limit_ns);
  /// `who` is told once, with `tag`, when the job is done, also if its future is given up before; at once, on this thread, if it
  /// is done already. Requires: the future still has it, or this is the I/O thread and it is pending.
  void watch(job_record& record, std::shared_ptr<watcher> who, std::size_t tag);
  /// `who` is not told about this job any more, but for what is just being told. Requires: as watch().
  void unwatch(const job_record& record, const watcher& who) noexcept;
  /// The job, for those that wait for it. Requires: the caller has its future.
  std::shared_ptr<awaited_job> await(job_record& record, bool wants_value);
  /// Throws pp::error(errc::bad_option) if some input is not of this pool.
  void check_inputs(const waiting_call& call) const;
  /// Nobody waits for what is made from here on.
  bool is_closed();
  /// Arguments that assemblers() made.
  void hand_in(assembled_job&& done);
  const std::shared_ptr<callback_queue>& callbacks() const { return callbacks_; }
  /// Where values become arguments; not the callbacks' thread, which may wait for the very job.
  const std::shared_ptr<callback_queue>& assemblers() const { return assemblers_; }
  std::size_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }

  // --- I/O thread
  bool has_submitted() const { return has_submitted_.load(std::memory_order_acquire); }
  /// The I/O thread is going to sleep: the next submit() wakes it. False if something is there already.
  bool arm();
  void disarm();
  /// Everything submitted and the ids of all jobs cancelled since the last call; both are cleared and keep their memory.
  void collect(std::vector<job_record*>& into, std::vector<std::uint64_t>& cancelled);
  /// Jobs whose inputs have ended, and those that have their arguments since. To be called before collect(), which then has
  /// all of these.
  void collect_ready(std::vector<std::uint64_t>& ready, std::vector<assembled_job>& assembled);
  /// Of a job that was held.
  void complete_arguments(job_record& record, payload&& all);
  /// Makes the future ready. Waiters wake at the next wake_waiters(), one system call each at most.
  void complete(job_record* record);
  void wake_waiters();
  /// From here on nothing can be drafted or submitted.
  void close();
  /// A name that lives as long as the pool.
  const std::string* keep_name(std::string name);

  bool echo_output = true;
  std::array<std::uint8_t, 16> client_id{};  ///< its first half begins the names of all jobs; set before any job is

 private:
  struct slab;
  struct watch_entry {
    std::shared_ptr<watcher> who;  ///< whoever waits owns it too, and may be gone
    std::size_t tag;
  };
  void free_locked(job_record* record);
  void forget_content(job_record& record);
  void tell_watchers(std::uint64_t id, ending how) noexcept;
  std::shared_ptr<awaited_job> await_pending(job_record& record, bool wants_value);
  std::uint32_t mark_done(job_record& record);
  std::uint32_t bequeath(job_record& record);
  void hold_locked(job_record& record);
  void take_end_locked(held_call& held, std::size_t input, const end_pointer& end);
  void count_arguments(job_record& record);
  static bool sleep_until_done(job_record& record, std::int64_t limit_ns);

  const std::size_t max_pending_bytes_;
  std::function<void()> wake_;
  std::atomic<std::size_t> pending_bytes_{0};
  std::atomic<unsigned> blocked_{0};
  std::atomic<bool> has_submitted_{false};
  const duration spin_;
  const std::shared_ptr<callback_queue> callbacks_, assemblers_;

  std::mutex lock_;  ///< the one lock: guards what follows
  std::condition_variable room_;
  std::vector<std::unique_ptr<slab>> slabs_;
  job_record* free_ = nullptr;
  std::vector<job_record*> submitted_;
  std::vector<std::uint64_t> cancelled_;
  std::unordered_map<std::uint64_t, std::vector<watch_entry>> watches_;      ///< by job
  std::unordered_map<std::uint64_t, std::shared_ptr<awaited_job>> awaited_;  ///< by job
  std::vector<std::uint64_t> ready_;
  std::vector<assembled_job> assembled_;
  bool is_io_asleep_ = false;
  bool is_closed_ = false;

  // I/O thread only.
  std::vector<job_record*> to_wake_;
  std::vector<std::unique_ptr<std::string>> names_;
};

}  // namespace pp::detail
