// A function with its client and its settings.
#pragma once

#include <utility>

#include "pp/client.hpp"

namespace pp {

/// A function bound once to a client and settings, to be called like submit() with its arguments alone:
///
///   pp::function twice(client, +[](int n) { return 2 * n; }, {.timeout = 5s});   // pp::function<int(int)>
///   pp::future<int> four = twice.submit(2);
/// Copies are cheap. The client must outlive it. Threads: any, concurrently. Throws: as client::submit() and map().
template <class Signature>
class function;
/// Every function has this form.
template <class R, class... Args>
class function<R(Args...)> {
 public:
  /// Throws: nothing; settings out of their range and a null pointer are told by submit() and map().
  function(client& where, R (*f)(Args...), job_options how = {}) : client_(&where), f_(f), how_(std::move(how)) {}

  /// As client::submit(); the arguments are converted to Args.
  template <class... Given>
  auto submit(Given&&... args) const {
    return client_->submit(how_, f_, std::forward<Given>(args)...);
  }
  /// As client::map(); the settings are those of a chunk of items, `chunk` is map_options::chunk.
  template <class Range>
  auto map(Range&& range, std::size_t chunk = 0) const {
    return client_->map(f_, std::forward<Range>(range), map_options{chunk, how_});
  }

 private:
  client* client_;
  R (*f_)(Args...);
  job_options how_;
};
/// So that its signature need not be written out.
template <class R, class... Args>
function(client&, R (*)(Args...), job_options = {}) -> function<R(Args...)>;

}  // namespace pp
