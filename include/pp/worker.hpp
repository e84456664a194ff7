/// What a worker process keeps from one job to the next: tables, connections, anything that is dear to make.
///
/// Promises:      an object is made once in a process, at first use, and lives as long as the process; its destructor is
///                never run.
/// Threads:       any; who comes while it is being made waits. What it is used for by several threads is its own affair.
/// Must not know: anything but the standard library.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace pp {
namespace detail {

// One function per T, whatever the maker's type: so that there is one object per T.
template <class T>
T& kept_state(T* (*make)(void*), void* how) {
  static T* const object = make(how);
  return *object;
}

}  // namespace detail

/// This process's object of type T, made by `make()` if there is none yet. There is one per type: for two of a kind, give
/// each a type of its own. `make` must not ask for the same T.
///
/// A worker runs jobs of every client that has the same program and key, one at a time, and is replaced after a crash or
/// a limit: the object may have served other clients, and may be made again. So keep in it what can be made anew, no
/// results. Outside of a job it is the calling process's own object, so that a job's function can be called directly.
///
/// Throws: what `make` throws; the next call tries again.
template <class T, std::invocable Make>
T& worker_state(Make&& make) {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "pp: worker_state<T> wants a plain type");
  using maker = std::remove_reference_t<Make>;
  return detail::kept_state<T>([](void* how) { return new T((*static_cast<maker*>(how))()); },
                               const_cast<void*>(static_cast<const void*>(std::addressof(make))));
}

/// The same, made by T's default constructor.
template <class T>
T& worker_state() {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "pp: worker_state<T> wants a plain type");
  return detail::kept_state<T>([](void*) { return new T(); }, nullptr);
}

}  // namespace pp
