// What runs in workers that hold a part of a scattered sequence: calls that get the part as their first argument.
//
// Promises: a part lies in pp::worker_state, one for each element type; the process is checked out, so nobody else's does.
// Must not know: which worker has which part.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "pp/detail/callable.hpp"
#include "pp/worker.hpp"

namespace pp::detail {

template <class T>
struct kept_part {
  std::vector<T> items;
};
template <class T>
std::vector<T>& part_here() {
  return worker_state<kept_part<T>>().items;
}

template <class T>
struct keep_part {
  void operator()(std::vector<T> items) const { part_here<T>() = std::move(items); }
};
template <class T>
struct forget_part {
  void operator()() const { std::vector<T>().swap(part_here<T>()); }
};
template <class T>
struct copy_of_part {
  std::vector<T> operator()(std::vector<T>& part) const { return part; }
};

/// The decoder of a function whose first parameter is the part.
template <class T, class Plain>
class part_decoder;
template <class T, class R, class First, class... P>
class part_decoder<T, R(First, P...)> : public in_table<part_decoder<T, R(First, P...)>> {
 public:
  static void run(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if (function < lowest_address) throw bad_arguments("pp: the call names no function");
    const auto address = reinterpret_cast<R (*)(First, P...)>(function);
    run_with<P...>(in, in_size, [&](P&&... arguments) {
      encode_result(out, [&]() -> R { return address(part_here<T>(), static_cast<P&&>(arguments)...); });
    });
  }
};

template <class List>
struct without_first;
template <class First, class... P>
struct without_first<type_list<First, P...>> {
  using type = type_list<P...>;
};

template <class T, class F, class... Args>
struct part_call;

template <class T, class F, class... Args>
requires function_signature<F>::value struct part_call<T, F, Args...> {
  using signature = function_signature<F>;
  static_assert(std::is_invocable_v<F, std::vector<T>&, const Args&...>,
                "pp: a function for parts is called with a std::vector of the elements and then the given arguments");
  using result = std::decay_t<typename signature::result>;
  using parameters = typename without_first<typename signature::parameters>::type;
  static_assert(result_check<typename signature::result>::good &&
                arguments_check<type_list<const Args&...>, parameters>::good);

  static call_code prepare(F function, payload& into, const Args&... args) {
    if (function == nullptr) throw_null_function();
    encode_arguments(parameters(), into, args...);
    return {part_decoder<T, typename signature::plain>::address(), reinterpret_cast<const void*>(function), 0};
  }
};

/// A function object with the part in front of its arguments.
template <class T, class F>
struct with_part {
  [[no_unique_address]] F f;
  template <class... P>
  decltype(auto) operator()(const P&... args) {
    return f(part_here<T>(), args...);
  }
  template <class Archive>
  void serialize(Archive& ar) requires has_state<F> {
    ar(f);
  }
};

template <class T, class F, class... Args>
requires std::is_class_v<F>
struct part_call<T, F, Args...> {
  static_assert(std::is_invocable_v<F&, std::vector<T>&, const Args&...>,
                "pp: a function object for parts is called with a std::vector of the elements and then the given "
                "arguments");
  using wrapped = with_part<T, F>;
  using call = object_call<wrapped, const Args&...>;
  using result = std::decay_t<typename call::raw_result>;

  static call_code prepare(const F& f, payload& into, const Args&... args) {
    return detail::prepare(wrapped{f}, into, args...);
  }
};

}  // namespace pp::detail
