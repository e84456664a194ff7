// The records of dispatch: jobs, streams, owners, groups, workers; indexes instead of pointers, memory used again.
//
// A group is one image of one key; a stream is what one owner has of one group. A job stands either in its stream's
// queue or in one worker's pipe. Pure. Must not know: how any of this is decided.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "wire/terms.hpp"
#include "worker/control.hpp"

namespace pp::worker {

using job_ref = std::uint32_t;
using owner_id = std::uint32_t;
using group_id = std::uint32_t;
using worker_id = std::uint32_t;
inline constexpr std::uint32_t nothing = 0xFFFFFFFF;

/// The mean of recent values; the first one counts in full, later ones an eighth.
class running_mean {
 public:
  void add(duration value) {
    mean_ = known_ ? mean_ + (value - mean_) / 8 : value;
    known_ = true;
  }
  bool is_known() const { return known_; }
  duration value() const { return mean_; }

 private:
  duration mean_{};
  bool known_ = false;
};

struct job_record {
  enum class place : std::uint8_t { free, queued, piped, leaving };

  std::uint64_t id = 0;
  std::uint64_t sequence = 0;  ///< in the pipe of `worker`
  std::uint32_t stream = nothing;
  owner_id owner = nothing;
  worker_id worker = nothing;
  job_ref next = nothing, previous = nothing;  ///< in the queue of its stream
  job_ref newer = nothing, older = nothing;    ///< among its owner's
  std::size_t size = 0;
  duration timeout{};  ///< 0 = none
  std::uint16_t attempt = 1;
  std::int8_t priority = 0;
  bool at_most_once = false;
  place where = place::free;
  wire::place_use use = wire::place_use::none;
  const std::vector<wire::resource>* needs = nullptr;  ///< null for most
  std::uint64_t of_place = 0;                          ///< its owner's name for it, see use
  std::uint8_t wish = 0;  ///< 1 + the action that ends it, should its worker only pretend that it is done
  bool is_long = true;    ///< so short jobs are not piled up behind it
};

struct stream_record {
  std::uint32_t owner = nothing;  ///< index
  group_id group = nothing;
  job_ref first = nothing, last = nothing;
  std::uint32_t queued = 0;
  std::uint32_t live = 0;  ///< in pipes
  std::uint64_t turn = 0;
  running_mean run_time;
  bool is_special =
      false;  ///< of jobs that open check-outs, go one to each worker or need resources: the first may not be next
  std::uint32_t window = 2;  ///< how many of its jobs may be ahead in a worker's pipe; follows run_time
};

struct owner_record {
  std::uint16_t generation = 0;
  bool is_used = false, is_gone = false;
  std::uint32_t jobs = 0;        ///< queued and piped
  std::uint32_t tails = 0;       ///< workers whose last job, or whose start, is for this owner: its share of the slots
  std::uint32_t weight = 1;      ///< its share of the slots is tails / weight
  std::uint32_t turns_left = 1;  ///< how often it is still given something before its turn is over
  std::uint64_t turn = 0;        ///< when its last turn was over; the longest ago goes first among equals
  job_ref newest = nothing;
  std::vector<std::uint32_t> streams;
  running_mean run_time;
};

struct group_record {
  bool is_used = false;
  bool had_jobs = false;
  group_id base = nothing;  ///< of a checked-out worker, which is a group of its own: where it came from
  std::uint32_t queued = 0;
  std::uint32_t live = 0;      ///< jobs in pipes
  std::uint32_t serving = 0;   ///< workers starting or ready that keep taking jobs
  std::uint32_t starting = 0;  ///< of those
  std::uint32_t ready = 0;     ///< of those
  std::uint32_t reserved = 0;  ///< slots being emptied for this group
  std::uint32_t workers = 0;   ///< processes, whatever they do
  std::uint32_t start_failures = 0;
  bool ever_ran = false;    ///< a job of this image has ended here by itself
  time_point not_before{};  ///< back-off after a worker died at its start
  time_point last_failure{};
  std::deque<time_point> deaths;  ///< of its workers, unasked, within the restart window
  std::string last_death;         ///< in words
  std::string unfit_reason;
  time_point unfit_until{};
  time_point orphan_since{};  ///< when the last stream went
  std::vector<std::uint32_t> streams;
};

struct worker_record {
  enum class state : std::uint8_t { empty, starting, ready, ending };

  state is = state::empty;
  bool yields = false;    ///< takes no more jobs and ends when it has none
  bool forgiven = false;  ///< we killed it: its running job is not to blame
  bool overdue = false;
  bool is_lent = false;  ///< checked out
  bool opens = false;    ///< it has a job that will check it out: nothing may come behind that
  std::vector<std::pair<owner_id, std::uint64_t>> rounds;  ///< it has, or had, its job of these (place_use::one_each)
  group_id group = nothing;
  group_id yields_to = nothing;
  std::uint32_t tail = nothing;  ///< owner index, see owner_record::tails
  std::uint32_t live = 0, live_long = 0, live_timed = 0;
  std::size_t live_bytes = 0;
  std::uint32_t window = 2;
  std::uint64_t head = 0, next = 0;  ///< sequences: oldest not known to be passed, first unused
  std::uint64_t done = 0;
  time_point started{}, ready_since{}, last_used{};
  bool has_wish = false;  ///< a job in its pipe is to be ended unless its result comes soon, see job_record::wish
  time_point wish_since{};
  job_ref late = nothing;  ///< done according to the worker, but its result did not come
  time_point late_since{};
  time_point head_since{};  ///< since when its oldest job has been the one that runs
  /// By sequence; nothing = taken back. Not inside: decisions walk over all workers and look at the rest only.
  std::vector<job_ref> pipe = std::vector<job_ref>(claim_slots);

  std::uint64_t span() const { return next - head; }
  /// How many sequences may be sent. One slot stays free: the worker writes `done` after its result, perhaps after we
  /// read it.
  std::uint64_t room() const { return claim_slots - 1 - span(); }
  job_ref& at(std::uint64_t sequence) { return pipe[sequence % claim_slots]; }
  job_ref at(std::uint64_t sequence) const { return pipe[sequence % claim_slots]; }
  bool is_idle() const { return is == state::ready && live == 0; }
  bool takes_jobs() const { return is == state::ready && !yields; }
  /// Whatever it does, nobody else may have its slot.
  bool is_kept() const { return is_lent || opens; }
};

/// Records of one kind by index; erased ones are used again.
template <class Record>
class table {
 public:
  std::uint32_t add() {
    if (free_.empty()) {
      all_.emplace_back();
      return static_cast<std::uint32_t>(all_.size() - 1);
    }
    const auto index = free_.back();
    free_.pop_back();
    return index;
  }
  void erase(std::uint32_t index) { free_.push_back(index); }
  Record& operator[](std::uint32_t index) { return all_[index]; }
  const Record& operator[](std::uint32_t index) const { return all_[index]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(all_.size()); }
  std::uint32_t used() const { return static_cast<std::uint32_t>(all_.size() - free_.size()); }

 private:
  std::vector<Record> all_;
  std::vector<std::uint32_t> free_;
};

}  // namespace pp::worker
