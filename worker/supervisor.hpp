// One worker from its start to its end: the process, the road to it, and what is known when it is gone.
//
// Promises: run() leaves no process that the worker's jobs started, no descriptor and no coroutine behind, however it ends;
// every result that was on the road is told before it completes. Threads: the I/O thread only. Must not know: whose
// jobs these are.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/task_group.hpp"
#include "worker/argument_arena.hpp"
#include "worker/cgroup.hpp"
#include "worker/crash_note.hpp"
#include "worker/dispatch_tables.hpp"
#include "worker/job_directory.hpp"
#include "worker/oom.hpp"
#include "worker/orphans.hpp"
#include "worker/output.hpp"
#include "worker/pool.hpp"
#include "worker/process.hpp"
#include "worker/road.hpp"
#include "worker/value_road.hpp"

namespace pp::worker {

/// How a worker ended.
struct worker_end {
  std::string reason;  ///< one line: "was killed by signal 11 (Segmentation fault)"
  exit_state how = {};
  bool final = false;      ///< the image can never run here
  bool was_asked = false;  ///< we ended it
  bool was_oom = false;    ///< the kernel ended it for want of memory
  process_usage used = {};
  int pid = 0;
  printed_text printed = {};  ///< by the job that was running, or before it was ready
  crash_note note = {};       ///< what it could still say itself
};

class supervisor final : private road_events {
 public:
  /// Told from run() only; may call everything of supervisor but run().
  class listener {
   public:
    virtual ~listener() = default;
    virtual void on_worker_ready(worker_id worker) = 0;
    virtual void on_worker_result(worker_id worker, std::uint64_t sequence, handed_bytes payload) = 0;
    virtual void on_worker_batch_end(worker_id worker) = 0;
  };

  /// `options` must outlive this.
  /// `arguments` may be null.
  supervisor(net::executor ex, worker_id id, program what, std::shared_ptr<argument_arena> arguments,
             const pool_options& options, listener& to);
  ~supervisor() override;

  /// Starts the process; completes when all of it is gone. Must clean up, so a cancellation only makes it stop
  /// waiting for a process that even SIGKILL did not end.
  net::awaitable<worker_end> run();

  /// Null before run() and when the worker could not be started.
  worker::road* road() { return road_.get(); }
  const worker::road* road() const { return road_.get(); }
  /// 0 if there is no process.
  int pid() const { return process_ ? process_->pid() : 0; }

  /// Before a job that names them is sent. Requires: road() is not null.
  void give_values(const std::vector<code::shared_pointer>& values);
  /// Tells it what nobody else needs any more; true if it has other shared values.
  bool forget_values() { return values_ && values_->forget_unused(); }

  /// To be called while it has a job, as often as one likes: what the kernel kills for want of memory before is not it.
  void note_oom_kills();
  /// What its running job has printed so far.
  printed_text peek() const;
  /// No more jobs: it ends by itself, or is killed after `grace`.
  void finish(duration grace);
  /// SIGTERM to it and all below it, SIGKILL after `grace`.
  void terminate(duration grace);
  void kill();
  /// It did what no worker does.
  void break_off(const std::string& what);

 private:
  void on_ready() override { was_ready_ = true, listener_.on_worker_ready(id_); }
  void on_unfit(const std::string& reason) override;
  void on_result(std::uint64_t sequence, std::uint16_t, handed_bytes payload) override {
    listener_.on_worker_result(id_, sequence, std::move(payload));
  }
  void on_batch_end() override { listener_.on_worker_batch_end(id_); }
  void on_broken(const std::string& reason) override;

  void start();
  void make_cgroup(spawn_plan& plan);
  net::awaitable<void> wait_exit();
  net::awaitable<void> end_orphans();
  net::awaitable<void> end_cgroup();
  net::awaitable<void> remove_directory();
  oom_sample sample() const { return sample_oom(cgroup_ ? cgroup_->memory_events() : std::string()); }
  net::awaitable<void> kill_after(duration grace);
  net::awaitable<void> send_more_values();
  worker_end could_not_start(const std::exception& e) const;
  worker_end describe_end();
  std::string start_failure_text(const exit_state& how, const printed_text& printed) const;

  net::executor executor_;
  worker_id id_;
  program program_;
  std::shared_ptr<argument_arena> arguments_;
  const pool_options& options_;
  listener& listener_;
  net::task_group tasks_;
  std::unique_ptr<worker::road> road_;
  std::optional<value_sender> values_;
  bool is_sending_values_ = false;
  std::optional<process> process_;
  std::optional<job_directory> directory_;
  std::optional<worker_cgroup> cgroup_;
  oom_sample oom_before_, oom_recent_, oom_after_;
  time_point oom_noted_{};
  std::optional<std::uint64_t> memory_peak_;
  std::string mark_;  ///< of everything its jobs start
  code::descriptor out_read_, err_read_;
  bool was_ready_ = false;
  bool was_asked_ = false;
  bool is_unfit_ = false;
  std::string fault_;  ///< why it is unfit, or what it did wrong
};

}  // namespace pp::worker
