// Keeps N workers alive and carries out what dispatch decides.
//
// One pool per node, and one in a client for its local workers. Owners are the node's sessions or the client. A
// worker serves one image of one key and is replaced by one of another image when its slot is wanted.
// Promises: every submitted job comes back exactly once through its owner's on_result or in on_unfit's list, unless
// the owner is removed first (then its running workers are killed). Result payloads are whole RESULT payloads, passed
// on untouched.
// Threads: the I/O thread only. Must not know: clients, nodes, what is in a payload.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/keyring.hpp"
#include "base/block.hpp"
#include "base/clock.hpp"
#include "base/spin.hpp"
#include "code/launchable.hpp"
#include "net/asio.hpp"
#include "wire/message.hpp"
#include "wire/terms.hpp"
#include "worker/control.hpp"
#include "worker/isolation.hpp"
#include "worker/pool_status.hpp"
#include "worker/road.hpp"
#include "worker/value_road.hpp"

namespace pp::worker {

class cgroups;
class job_directories;
class orphans;

/// A program as workers run it. Workers are shared only by jobs with the same `key` and the same image.
struct program {
  std::shared_ptr<const code::launchable> what;
  auth::key_id key{};
};

struct pool_job {
  std::uint64_t id = 0;  ///< the owner's name for it, unique among its jobs here
  std::uint16_t attempt = 1;
  job_bytes payload =
      {};  ///< a whole SUBMIT payload, wire::submit::size bytes and the arguments; image index is ignored
  std::shared_ptr<const wire::terms> terms = nullptr;  ///< those in the payload; null for most jobs
  value_list values = nullptr;                         ///< the shared values that the terms name
};

/// What a pool tells its owner. Called from the I/O thread, never from inside submit() or recall(). May call submit() and
/// recall(), nothing else of the pool.
class pool_owner {
 public:
  virtual ~pool_owner() = default;
  /// `payload` is a whole RESULT payload (credit byte 1; the owner may overwrite it). Large ones lie where the worker
  /// wrote them, and their place is free for the next when the block goes. Codes the pool itself makes:
  /// worker_crashed, timed_out, memory_limit, cancelled and outcome_unknown, each with a failure and what was printed;
  /// wire::code_not_started, and from close() on shutting_down for jobs that had begun.
  virtual void on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) = 0;
  /// The image cannot run here; `returned` lists all its jobs of this owner that are hereby given back, unstarted.
  virtual void on_unfit(const code::image_id& image, const std::string& reason,
                        const std::vector<std::uint64_t>& returned) = 0;
  /// So many of the pool's workers are checked out now, by whomever. Comes before the RESULT that opens a check-out.
  virtual void on_lent(unsigned /*workers*/) {}
  /// The worker that this owner has under that name (wire::terms::place) is gone, or is taken back.
  virtual void on_lease_over(std::uint64_t /*place*/, const std::string& /*why*/) {}
};

struct pool_options {
  unsigned slots = 1;
  std::vector<wire::resource> resources = {};       ///< what jobs may ask for; names ascending
  unsigned recycle_after = 0;                       ///< jobs per worker process, 0 = no limit
  unsigned max_window = 256;                        ///< jobs in one worker's pipe when they are very short
  duration start_limit = std::chrono::seconds(30);  ///< a worker not READY by then is killed, the image unfit
  duration kill_grace = std::chrono::seconds(2);    ///< SIGTERM to SIGKILL when a pool closes
  std::vector<std::string> pass_environment;        ///< names added to the allow-list
  road_kind road = road_kind::automatic;
  std::shared_ptr<worker::orphans> orphans;      ///< of a node, see orphans.hpp; none in a client
  std::shared_ptr<worker::cgroups> cgroups;      ///< of a node that may make some
  std::shared_ptr<job_directories> directories;  ///< of a node; none: workers work where this process does
  unsigned restart_limit = 1000;  ///< deaths of a program's workers within restart_window; one more makes it unfit
  duration restart_window = std::chrono::hours(1);
  duration keep_warm = std::chrono::seconds(60);  ///< idle workers of a program without clients live this long
  std::uint64_t memory_limit = 0;                 ///< bytes that a worker and its descendants may use, 0 = no limit
  std::size_t output_limit = 2 * stream_part;     ///< bytes kept of each stream of a job, half of them at each end
  duration spin = spin_budget::full_by_default;   ///< how long idle workers look for work before they sleep, 0 = not
  launch_settings launch = {};                    ///< what workers may touch, and as whom
};

struct pool_counters {
  std::uint64_t jobs_done = 0, jobs_crashed = 0, workers_started = 0, workers_crashed = 0;
  std::uint64_t timed_out = 0, memory_limit = 0, cancelled = 0;  ///< jobs that were ended
  unsigned running = 0;                                          ///< workers that have a job now
  unsigned workers = 0;                                          ///< worker processes alive
  unsigned queued = 0;                                           ///< jobs here that no worker has begun
};

class pool {
 public:
  using owner_id = std::uint32_t;

  pool(net::executor ex, const pool_options& o);
  ~pool();  ///< Requires: close() has completed.

  owner_id add_owner(pool_owner& owner);
  /// Nothing is told to the owner any more; workers running its jobs are killed and replaced.
  void remove_owner(owner_id owner);

  void submit(owner_id owner, const program& what, pool_job job);
  /// Memory in which the program's workers will find a large job without a copy; empty if there is none (yet).
  block place_for(const program& what, std::size_t size);
  /// If the job has not begun it comes back soon as wire::code_not_started; else nothing happens and its result comes.
  void recall(owner_id owner, std::uint64_t job);
  /// Ends the job, with all that it started, if it runs: it comes back as cancelled. Nothing if its result is on the way.
  void cancel(owner_id owner, std::uint64_t job);
  /// The worker that is checked out under that name is anybody's again when it has done what is here for it.
  void check_in(owner_id owner, std::uint64_t place);
  /// An owner of weight 3 gets three times the slots of one of weight 1, which is what all have at first.
  void set_weight(owner_id owner, std::uint32_t weight);
  /// Gives back every job that has not begun (as code_not_started) and takes no more: the first step of draining.
  void drain();
  /// Completes when no job runs or is queued, or at `limit`.
  net::awaitable<void> wait_idle(time_point limit);
  /// Ends every worker (its pipe is closed, then SIGTERM to its process group, then SIGKILL), reaps all, ends all
  /// tasks.
  net::awaitable<void> close();

  /// 0 is allowed: workers end as soon as they are idle, queued jobs come back as code_not_started.
  void set_slots(unsigned slots);
  unsigned slots() const;
  /// Workers that are checked out.
  unsigned lent() const;
  /// Mean run time of recent jobs of an owner; zero if none finished yet.
  duration mean_run_time(owner_id owner) const;
  pool_counters counters() const;
  pool_status status() const;
  /// Process ids of the live workers, for statistics and tests.
  std::vector<int> worker_pids() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace pp::worker
