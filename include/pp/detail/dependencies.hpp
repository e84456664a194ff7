// Futures as arguments: what is known of a call at submit, and how its bytes are made once all its inputs have ended.
//
// Each argument is a part: bytes that stand alone, as encode() makes them, or results that are to come. Where every parameter's
// bytes mean the same alone and among others, and every input gives just its parameter's type, the parts are joined as they are;
// else values are made and encoded anew, on a thread of the client's (record_pool::assemblers), because that runs users' code.
// Promises: arguments that are no futures are encoded before submit() returns. A pointer that two arguments share becomes two.
// Must not know: where and when jobs run.
#pragma once

#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "pp/detail/callable.hpp"
#include "pp/detail/future_sets.hpp"
#include "pp/detail/job_draft.hpp"
#include "pp/future.hpp"

namespace pp::detail {

// --- what arguments stand for ----------------------------------------------------------------------------------------

struct no_value {};

template <class R>
struct value_of {
  static_assert(!std::is_void_v<R>,
                "pp: a pp::future<void> gives no value to pass on: name it in job_options::after to wait for it");
  using type = std::conditional_t<std::is_void_v<R>, no_value, R>;
};

template <class Bare, class Arg>
struct given_by {
  using type = Arg;
  static constexpr bool is_input = false;
};
template <class R, class Arg>
struct given_by<future<R>, Arg> {
  using type = typename value_of<R>::type;
  static constexpr bool is_input = true;
};
template <class R, class A, class Arg>
struct given_by<std::vector<future<R>, A>, Arg> {
  using type = std::vector<typename value_of<R>::type>;
  static constexpr bool is_input = true;
};

/// What an argument is for the called function: a future's value, else itself.
template <class Arg>
using given = typename given_by<std::remove_cvref_t<Arg>, Arg>::type;
template <class Arg>
inline constexpr bool is_input = given_by<std::remove_cvref_t<Arg>, Arg>::is_input;

template <class F, class... Args>
struct called_with {
  using result = result_of<F, given<Args>...>;
};
// Clang 14 looks at the result before it looks at `requires`: settings are not called.
template <class F, class... Args>
requires std::is_same_v<std::remove_cvref_t<F>, job_options>
struct called_with<F, Args...> {
};

template <class F, class... Args>
using result_with = typename called_with<F, Args...>::result;

/// Types whose bytes are the same alone and among others: without class versions, shared pointers and empty elements.
template <class T>
struct stands_alone : std::bool_constant<is_flat<T>> {};
template <class T, class A>
requires(!is_flat<std::vector<T, A>>) struct stands_alone<std::vector<T, A>> : stands_alone<T> {
};
template <class T>
struct stands_alone<std::optional<T>> : stands_alone<T> {};
template <class A, class B>
struct stands_alone<std::pair<A, B>> : std::conjunction<stands_alone<A>, stands_alone<B>> {};

// --- making values of parts ------------------------------------------------------------------------------------------

/// The value for one parameter, loaded from the bytes of an argument (one view) or of its inputs (one view each).
template <class Wanted, class Arg>
class part_value {
 public:
  void load(std::span<const byte_part> from) {
    byte_source source(from[0].data, from[0].size);
    fill_part(source, value_);
  }
  const Wanted& get() { return value_.value(); }

 private:
  slot<Wanted> value_;
};
template <class Wanted, class R>
class part_value<Wanted, future<R>> {
 public:
  void load(std::span<const byte_part> from) {
    value_.emplace(static_cast<Wanted>(decode<R>(from[0].data, from[0].size)));
  }
  const Wanted& get() { return *value_; }

 private:
  std::optional<Wanted> value_;
};
template <class Wanted, class R, class A>
class part_value<Wanted, std::vector<future<R>, A>> {
 public:
  void load(std::span<const byte_part> from) {
    std::vector<R> all;
    all.reserve(from.size());
    for (const auto& one : from) all.push_back(decode<R>(one.data, one.size));
    value_.emplace(static_cast<Wanted>(std::move(all)));
  }
  const Wanted& get() { return *value_; }

 private:
  std::optional<Wanted> value_;
};

template <class Parameter, class Arg>
inline constexpr bool joins_as_it_is =
    stands_alone<std::remove_cvref_t<Parameter>>::value &&
    (!is_input<Arg> || std::is_same_v<std::remove_cvref_t<Arg>, future<std::remove_cvref_t<Parameter>>>);

template <class Parameters, class... Args>
struct assembly;
template <class... P, class... Args>
struct assembly<type_list<P...>, Args...> {
  static constexpr bool is_joining = (joins_as_it_is<P, Args> && ...);

  static void run(std::span<const std::span<const byte_part>> parts, payload& into) {
    with_our_errors([&] { encode_all(parts, into, std::index_sequence_for<P...>()); });
  }

 private:
  template <std::size_t... I>
  static void encode_all(std::span<const std::span<const byte_part>> parts, payload& into, std::index_sequence<I...>) {
    std::tuple<part_value<std::remove_cvref_t<P>, std::remove_cvref_t<Args>>...> values;
    (std::get<I>(values).load(parts[I]), ...);
    encoder_for<std::remove_cvref_t<P>...> to(into);
    (put(to, std::get<I>(values).get()), ...);
    to.finish();
  }
};

// --- taking a call apart ---------------------------------------------------------------------------------------------

/// Adds arguments to a call. A future is listened to here; one that is handed over by && is let go of when all are added.
class part_writer {
 public:
  part_writer(waiting_call& call, payload& known) : call_(call), known_(known) {}

  template <class P, class Arg>
  void add(Arg&& argument) {
    const std::size_t first = call_.inputs.size(), begin = known_.size();
    using bare = std::remove_cvref_t<Arg>;
    if constexpr (is_future<bare>) {
      add_input(argument);
    } else if constexpr (is_input<Arg>) {
      for (const auto& one : argument) add_input(one);
    } else if constexpr (std::is_same_v<bare, std::remove_cvref_t<P>>) {
      encode<bare>(known_, argument);
    } else {
      encode<std::remove_cvref_t<P>>(known_, static_cast<std::remove_cvref_t<P>>(std::forward<Arg>(argument)));
    }
    call_.parts.push_back({begin, known_.size() - begin, first, call_.inputs.size() - first, is_input<Arg>});
  }

 private:
  template <class R>
  void add_input(const future<R>& input) {
    call_.inputs.push_back(await_job(set_access::job(input), true));
  }

  waiting_call& call_;
  payload& known_;
};

template <class Arg>
void let_go(Arg&& argument) {
  if constexpr (is_input<Arg> && !std::is_lvalue_reference_v<Arg> && !std::is_const_v<Arg>) {
    const auto taken = std::move(argument);
  }
}

template <class... P, class... Args>
void take_apart_call(type_list<P...>, waiting_call& call, payload& known, Args&&... args) {
  if constexpr (!assembly<type_list<P...>, Args...>::is_joining)
    call.assemble = &assembly<type_list<P...>, Args...>::run;
  part_writer to(call, known);
  (to.template add<P>(std::forward<Args>(args)), ...);
  (let_go(std::forward<Args>(args)), ...);
}

template <class Call, class F, class... Args>
call_code prepare_waiting(F&& f, waiting_call& call, payload& known, Args&&... args) {
  const call_code code = Call::code(f);
  const auto take = [&](auto&&... all) {
    take_apart_call(typename Call::all(), call, known, std::forward<decltype(all)>(all)...);
  };
  Call::with_all(f, take, std::forward<Args>(args)...);
  return code;
}

/// client::submit, with `how` or as usual (null).
template <class F, class... Args>
job_handle submit_call(client_core& core, const job_options* how, F&& f, Args&&... args) {
  job_draft draft(core);
  if constexpr ((is_input<Args> || ...)) {
    using call = call_of<std::decay_t<F>, given<Args>...>;
    call_code code;
    if constexpr (call::good) {
      code = prepare_waiting<call>(f, draft.waits(), draft.arguments(), std::forward<Args>(args)...);
    }
    return how != nullptr ? draft.submit(code, *how) : draft.submit(code);
  } else {
    const auto code = prepare(std::forward<F>(f), draft.arguments(), std::forward<Args>(args)...);
    return how != nullptr ? draft.submit(code, *how) : draft.submit(code);
  }
}

}  // namespace pp::detail
