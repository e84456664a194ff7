#include "worker/supervisor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.hpp"
#include "net/deadline.hpp"
#include "worker/ring_road.hpp"

namespace pp::worker {
namespace {

constexpr auto time_to_exit = std::chrono::milliseconds(200);  // between the end of its pipe and the end of a worker
constexpr auto value_pause = std::chrono::milliseconds(2);
constexpr auto oom_look = std::chrono::seconds(1);
constexpr std::size_t most_tail_text = 400;
constexpr std::size_t removed_at_once = 256;  // entries of a job directory: some milliseconds

struct pipe_ends {
  code::descriptor read, write;
};
pipe_ends make_output_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make the output pipe of a worker");
  }
  // Only the reading end: a job that prints must find an ordinary blocking descriptor.
  ::fcntl(fds[0], F_SETFL, ::fcntl(fds[0], F_GETFL) | O_NONBLOCK);
  return {code::descriptor(fds[0]), code::descriptor(fds[1])};
}

/// The end of a text as one line.
std::string tail_as_line(const bytes& text) {
  std::string_view all = as_text(text);
  if (all.size() > most_tail_text) all = all.substr(all.size() - most_tail_text);
  while (!all.empty() && all.back() == '\n') all.remove_suffix(1);
  std::string line;
  for (const char c : all) {
    if (c == '\n') line += " | ";
    if (static_cast<unsigned char>(c) >= ' ') line += c;
  }
  return line;
}

bool stands_for_every_start(int error) {
  return error == ENOEXEC || error == EACCES || error == EPERM || error == ENOENT;
}

}  // namespace

supervisor::supervisor(net::executor ex, worker_id id, program what, std::shared_ptr<argument_arena> arguments,
                       const pool_options& options, listener& to)
    : executor_(ex),
      id_(id),
      program_(std::move(what)),
      arguments_(std::move(arguments)),
      options_(options),
      listener_(to),
      tasks_(ex) {}

supervisor::~supervisor() = default;

net::awaitable<worker_end> supervisor::run() {
  std::optional<worker_end> failed;
  try {
    if (!was_asked_) start();
  } catch (const std::exception& e) {
    // One that is there already is ended and waited for like any other.
    process_ ? process_->signal_tree(SIGKILL) : void(failed = could_not_start(e));
  }
  if (!failed && !process_) failed = worker_end{.reason = "was not wanted any more", .was_asked = true};
  if (failed) {
    co_await remove_directory();
    co_return std::move(*failed);
  }
  tasks_.spawn("worker_road", road_->run(*this));
  co_await wait_exit();
  road_->drain(*this);
  road_->close();
  co_await tasks_.close();
  auto end = describe_end();
  co_await remove_directory();
  co_return end;
}

/// A worker without one is better than none.
void supervisor::make_cgroup(spawn_plan& plan) {
  if (!options_.cgroups) return;
  try {
    cgroup_.emplace(options_.cgroups);
  } catch (const std::system_error& e) {
    log::warn("no_cgroup", {{"reason", e.what()}});
    return;
  }
  // Coarser than the watchdog, which knows each job's limit, but nothing is too fast for it.
  if (options_.memory_limit > 0) cgroup_->set_memory_limit(options_.memory_limit);
  plan.cgroups = {cgroup_->procs()};
}

void supervisor::start() {
  const auto& image = *program_.what;
  road_ = make_road(executor_, options_.road, arguments_, options_.spin);
  road_->page().kept = options_.output_limit / 2;
  auto out = make_output_pipe(), err = make_output_pipe();
  spawn_plan plan;
  plan.program = image.program;
  plan.program_path = image.program_path;
  plan.name = image.contents.modules.empty() ? "" : image.contents.modules.front().name;
  plan.ends = road_->worker_ends();
  plan.values = values_.emplace().worker_end();
  plan.settings = options_.launch;
  plan.library_path = image.library_path;
  if (options_.directories) directory_.emplace(options_.directories);
  const auto temporary = directory_ ? directory_->path() : std::string();
  mark_ = directory_ ? temporary : make_mark();
  make_cgroup(plan);
  oom_before_ = oom_recent_ = sample();
  oom_noted_ = now();
  plan.directory = directory_ ? directory_->fd() : -1;
  const auto* user = options_.launch.user ? &*options_.launch.user : nullptr;
  const environment_plan environment{
      options_.pass_environment, image.library_path, plan.ends.is_ring(), user, temporary, mark_};
  plan.environment = worker_environment(own_environment(), environment, ::getpid());
  plan.out_write = out.write.get();
  plan.err_write = err.write.get();
  plan.out_read = out.read.get();
  plan.err_read = err.read.get();
  process_.emplace(process::spawn(plan, executor_));
  if (options_.orphans) options_.orphans->add_worker(process_->pid());
  road_->release_worker_end();
  values_->release_worker_end();
  out_read_ = std::move(out.read);
  err_read_ = std::move(err.read);
  road_->send_program(image.encoded);
}

net::awaitable<void> supervisor::wait_exit() {
  try {
    co_await process_->wait_exit();
    oom_after_ = sample();
    co_await end_orphans();
    co_await end_cgroup();
  } catch (const net::system_error&) {
    // The pool has waited long enough for a process that SIGKILL does not end; reap() will not wait for it either.
  }
  co_await net::this_coro::reset_cancellation_state();
}

/// What the jobs left behind must not keep the pipe busy, nor the machine.
net::awaitable<void> supervisor::end_orphans() {
  process_->signal_tree(SIGKILL);
  if (options_.orphans) co_return co_await options_.orphans->end_all();
  // A worker that left as it should has ended what was below it.
  const bool was_orderly = was_asked_ && process_->ended_well();
  if (!was_orderly) co_await end_marked(mark_);
}

net::awaitable<void> supervisor::end_cgroup() {
  if (!cgroup_) co_return;
  memory_peak_ = cgroup_->memory_peak();
  cgroup_->kill();
  for (int i = 0; i < 100 && !cgroup_->remove(); ++i) co_await net::sleep_for(std::chrono::milliseconds(2));
  cgroup_.reset();
}

/// In portions, so that the node goes on while a million files are removed.
net::awaitable<void> supervisor::remove_directory() {
  if (!directory_) co_return;
  auto how = removal::unfinished;
  while (how == removal::unfinished) {
    how = directory_->remove_some(removed_at_once);
    if (how == removal::unfinished) co_await net::post(executor_, net::use_awaitable);
  }
  if (how == removal::stuck) log::warn("job_directory_left", {{"path", directory_->path()}});
  directory_.reset();
}

net::awaitable<void> supervisor::kill_after(duration grace) {
  co_await net::sleep_for(grace);
  process_->signal_tree(SIGKILL);
}

// Two samples, so that the older one is from before the kernel's kill even if that is noticed late.
void supervisor::note_oom_kills() {
  const auto age = now() - oom_noted_;
  if (age < oom_look) return;
  oom_noted_ = now();
  oom_before_ = std::exchange(oom_recent_, sample());
  if (age > 5 * oom_look) oom_before_ = oom_recent_;  // it was idle meanwhile
}

// Reads the page while it is written, which can give old words for new ones, but nothing worse.
printed_text supervisor::peek() const {
  if (!road_) return {};
  return read_after_crash(road_->page(), out_read_.get(), err_read_.get(), options_.output_limit / 2);
}

void supervisor::give_values(const std::vector<code::shared_pointer>& values) {
  values_->give(values);
  if (values_->flush() && !std::exchange(is_sending_values_, true)) tasks_.spawn("worker_values", send_more_values());
}

// The worker takes them when a job asks for one, or when it has nothing to do: there is no hurry but for the first.
net::awaitable<void> supervisor::send_more_values() {
  while (values_->flush()) co_await net::sleep_for(value_pause);
  is_sending_values_ = false;
}

void supervisor::finish(duration grace) {
  was_asked_ = true;
  if (!process_) return;
  road_->finish();
  tasks_.spawn("worker_kill", kill_after(grace));
}

void supervisor::terminate(duration grace) {
  finish(grace);
  if (process_) process_->signal_tree(SIGTERM);
}

void supervisor::kill() {
  was_asked_ = true;
  if (process_) process_->signal_tree(SIGKILL);
}

void supervisor::break_off(const std::string& what) {
  if (fault_.empty()) fault_ = "broke the rules of its pipe: it " + what;
  if (process_) process_->signal_tree(SIGKILL);
}

void supervisor::on_unfit(const std::string& reason) {
  if (was_ready_) return break_off("called itself unfit after it was ready");
  is_unfit_ = true;
  fault_ = reason;
  tasks_.spawn("worker_kill", kill_after(time_to_exit));
}

void supervisor::on_broken(const std::string& reason) {
  if (!reason.empty()) return break_off(reason);
  tasks_.spawn("worker_kill", kill_after(time_to_exit));  // it usually is on its way out
}

worker_end supervisor::could_not_start(const std::exception& e) const {
  worker_end end;
  end.reason = e.what();
  const auto* const known = dynamic_cast<const std::system_error*>(&e);
  const bool is_of_system = known != nullptr && (known->code().category() == std::generic_category() ||
                                                 known->code().category() == std::system_category());
  end.final = is_of_system && stands_for_every_start(known->code().value());
  return end;
}

worker_end supervisor::describe_end() {
  worker_end end;
  const bool is_gone = process_->has_ended();
  end.pid = process_->pid();
  if (is_gone)
    end.how = process_->reap();
  else
    process_->abandon();
  end.note = read_crash_note(road_->page().crash, end.how.signal, end.how.status);
  if (options_.orphans) options_.orphans->remove_worker(process_->pid());
  end.used = process_->used();
  end.was_oom = was_oom_kill(end.how.signal, was_asked_ || !fault_.empty(), oom_before_, oom_after_);
  if (memory_peak_) end.used.peak_memory = *memory_peak_;
  end.was_asked = was_asked_;
  end.final = is_unfit_;
  if (!was_asked_ || !was_ready_) end.printed = peek();
  if (!fault_.empty()) {
    end.reason = fault_;
  } else {
    end.reason = was_ready_ ? describe(end.how) : start_failure_text(end.how, end.printed);
  }
  if (end.was_oom) end.reason += ", by the kernel, which had no memory left for it";
  return end;
}

std::string supervisor::start_failure_text(const exit_state& how, const printed_text& printed) const {
  std::string text = "the program " + describe(how) + " before it was ready for jobs";
  if (how.known && how.signal == 0 && how.status == 0) text += " (is pp::init(argc, argv) the first call in its main?)";
  const auto words = tail_as_line(printed.err);
  return words.empty() ? text : text + "; its last words: " + words;
}

}  // namespace pp::worker
