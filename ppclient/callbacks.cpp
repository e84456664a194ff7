#include "ppclient/callbacks.hpp"

#include <pthread.h>

#include "base/blocked_signals.hpp"
#include "base/log.hpp"

namespace pp::detail {

callback_queue::~callback_queue() {
  if (!thread_.joinable()) return;
  // Its thread is an owner: either this is that thread, or it has let go and ends.
  is_own_thread() ? thread_.detach() : thread_.join();
}

void callback_queue::start() {
  const std::lock_guard hold(lock_);
  if (thread_.joinable() || is_closing_) return;
  const blocked_signals during_start;
  thread_ = std::thread([self = shared_from_this()] { self->loop(); });
}

void callback_queue::push(std::unique_ptr<deferred> call) noexcept {
  {
    const std::lock_guard hold(lock_);
    if (!has_ended_) {
      deferred* const added = call.get();
      (last_ != nullptr ? last_->next : first_) = std::move(call);
      last_ = added;
      ++pushed_;
      changed_.notify_all();
      return;
    }
  }
  run_one(std::move(call));
}

bool callback_queue::flush(std::optional<time_point> end) {
  std::unique_lock hold(lock_);
  if (!thread_.joinable() || is_own_thread()) return true;
  const auto wanted = pushed_;
  const auto has_run = [&] { return ran_ >= wanted; };
  if (end) return changed_.wait_until(hold, *end, has_run);
  changed_.wait(hold, has_run);
  return true;
}

void callback_queue::finish() {
  {
    const std::lock_guard hold(lock_);
    is_closing_ = true;
    if (!thread_.joinable()) has_ended_ = true;
    changed_.notify_all();
    if (!thread_.joinable() || is_own_thread()) return;
  }
  thread_.join();
}

std::unique_ptr<deferred> callback_queue::take() {
  std::unique_lock hold(lock_);
  changed_.wait(hold, [this] { return first_ != nullptr || is_closing_; });
  if (first_ == nullptr) {
    has_ended_ = true;
    return nullptr;
  }
  auto call = std::move(first_);
  first_ = std::move(call->next);
  if (first_ == nullptr) last_ = nullptr;
  return call;
}

void callback_queue::loop() {
  pthread_setname_np(pthread_self(), "pp-callback");
  while (auto call = take()) {
    run_one(std::move(call));
    const std::lock_guard hold(lock_);
    ++ran_;
    changed_.notify_all();
  }
}

// Whatever users throw ends here: the job it is about is done and is not touched.
void callback_queue::run_one(std::unique_ptr<deferred> call) noexcept {
  try {
    call->run();
  } catch (...) {
    report(std::current_exception());
  }
}

void callback_queue::report(const std::exception_ptr& what) noexcept {
  ++errors_;
  try {
    std::rethrow_exception(what);
  } catch (const std::exception& e) {
    log::error("callback_threw", {{"what", e.what()}});
  } catch (...) {
    log::error("callback_threw", {{"what", "something that is not a std::exception"}});
  }
  if (!on_error_) return;
  try {
    on_error_(what);
  } catch (...) {
    log::error("callback_threw", {{"what", "options::on_callback_error itself threw"}});
  }
}

}  // namespace pp::detail
