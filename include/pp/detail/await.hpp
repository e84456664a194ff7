// How a coroutine waits for a future or for a set of them.
//
// Promises: nothing of the coroutine is touched once its call is registered: it may go on elsewhere before await_suspend returns.
// Must not know: loops and executors, but as something to call.
#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include "pp/detail/job_handle.hpp"

namespace pp::detail {

/// Reaches the jobs of a future or of a set.
struct set_access {
  template <class Future>
  static const job_handle& job(const Future& future) noexcept {
    return future.job_;
  }
  template <class Set>
  static void call_when_done(const Set& set, std::unique_ptr<deferred> call) {
    if constexpr (requires { set.job_; }) {
      set.job_.call_when_done(std::move(call));
    } else {
      set.call_when_done(std::move(call));
    }
  }
};

/// On the thread that told: the client's callback thread.
struct here {};

/// `Subject` is a future or a set, or a reference to one.
template <class Subject, class Post = here>
class awaiter {
 public:
  explicit awaiter(Subject&& subject, Post post = {})
      : subject_(std::forward<Subject>(subject)), post_(std::move(post)) {}

  // Who names a place to go on at is there afterwards in any case.
  bool await_ready() const noexcept { return std::is_same_v<Post, here> && subject_.ready(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    set_access::call_when_done(subject_, defer([waiting, post = std::move(post_)]() mutable { go_on(post, waiting); }));
  }
  auto await_resume() { return subject_.get(); }

 private:
  static void go_on(Post& post, std::coroutine_handle<> waiting) {
    if constexpr (std::is_same_v<Post, here>) {
      waiting.resume();
    } else {
      post([waiting] { waiting.resume(); });
    }
  }

  Subject subject_;
  Post post_;
};

}  // namespace pp::detail
