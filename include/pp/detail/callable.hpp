// From what a user submits to what travels: code locations and argument bytes.
//
// Supported: functions, static members, pointers to member functions and to data members (the object is the first
// argument, by value), captureless lambdas (generic, noexcept, mutable), and function objects that are empty or have a
// cereal serialize function. An overloaded function needs a cast that says which. Everything else ends in a
// static_assert whose text begins with "pp: ". Promises: arguments are converted to the parameter types before they are
// encoded, as in a direct call. prepare() only appends to its payload; if it throws, what it appended so far stays
// there. code() and with_all() are its two halves, for calls whose arguments are not all known yet. Threads: any.
// Must not know: where functions lie in files, nodes.
#pragma once

#include "pp/detail/decoders.hpp"
#include "pp/detail/travel_checks.hpp"

namespace pp::detail {

/// The code of one call, as addresses in this process.
struct call_code {
  thunk decoder = nullptr;
  /// The called function; null for lambdas, function objects, data members and virtual members.
  const void* function = nullptr;
  /// For a virtual member 1 + its offset in the virtual table (so never 0); else 0. This very number goes behind
  /// code::virtual_marker and arrives at the decoder.
  std::uint64_t virtual_offset = 0;
};

template <class P, class To, class Arg>
void put_argument(To& to, Arg&& argument) {
  using wanted = std::remove_cvref_t<P>;
  if constexpr (std::is_same_v<std::remove_cvref_t<Arg>, wanted>) {
    put(to, argument);
  } else {
    const wanted converted = static_cast<wanted>(std::forward<Arg>(argument));
    put(to, converted);
  }
}
template <class... P, class... Args>
void encode_arguments(type_list<P...>, payload& into, Args&&... args) {
  encoder_for<std::remove_cvref_t<P>...> to(into);
  (put_argument<P>(to, std::forward<Args>(args)), ...);
  to.finish();
}

template <class A, class B>
struct joined;
template <class... A, class... B>
struct joined<type_list<A...>, type_list<B...>> {
  using type = type_list<A..., B...>;
};

[[noreturn, gnu::cold]] inline void throw_null_function() {
  throw error(errc::bad_option, "pp: the function pointer given to submit is null");
}

// One class per kind of callable: raw_result, good (all checks passed) and prepare.

template <class F, class... Args>
struct function_call {
  using signature = function_signature<F>;
  using raw_result = typename signature::result;
  using parameters = typename signature::parameters;
  static constexpr bool good = result_check<raw_result>::good && arguments_check<type_list<Args...>, parameters>::good;

  using all = parameters;

  static call_code code(F function) {
    if (function == nullptr) throw_null_function();
    using decoder = function_decoder<typename signature::plain>;
    return {decoder::address(), reinterpret_cast<const void*>(function), 0};
  }
  template <class Use, class... Given>
  static void with_all(F, Use&& use, Given&&... given) {
    use(std::forward<Given>(given)...);
  }
};

template <class M, class... Args>
struct member_call {
  static_assert(sizeof...(Args) > 0, "pp: the object is missing: it is the first argument after a member pointer");
  using raw_result = void;
  static constexpr bool good = false;
};

template <class Member, class Object>
struct object_check {
  using value = std::remove_cvref_t<Object>;
  static_assert(std::is_invocable_v<Member, value&> || !parameter_check<const value&>::good,
                "pp: this member does not belong to the object given as the first argument");
  static constexpr bool good = parameter_check<const value&>::good && std::is_invocable_v<Member, value&>;
};

template <class M, class Object, class... Args>
requires member_signature<M>::value struct member_call<M, Object, Args...> {
  using signature = member_signature<M>;
  using raw_result = typename signature::result;
  using parameters = typename signature::parameters;
  using object = std::remove_cvref_t<Object>;
  using owner = typename signature::object;
  // Any pointer to data stands for "is or points to an owner": std::invoke finds the object in the same way.
  static constexpr bool good = result_check<raw_result>::good && object_check<char owner::*, Object>::good &&
                               arguments_check<type_list<Args...>, parameters>::good;

  using all = typename joined<type_list<std::int64_t, object&>, parameters>::type;

  static call_code code(M member) {
    if (member == nullptr) throw_null_function();
    const member_pointer_parts parts = take_apart(member);
    const thunk decoder = member_decoder<M, object, parameters>::address();
    if (parts.is_virtual) return {decoder, nullptr, parts.target};
    return {decoder, reinterpret_cast<const void*>(parts.target), 0};
  }
  template <class Use, class... Given>
  static void with_all(M member, Use&& use, Given&&... given) {
    use(take_apart(member).adjustment, std::forward<Given>(given)...);
  }
};

template <class M, class Object, class... Args>
requires data_member<M>::value struct member_call<M, Object, Args...> {
  using raw_result = typename data_member<M>::member;
  using object = std::remove_cvref_t<Object>;
  static constexpr bool good = result_check<raw_result>::good && object_check<M, Object>::good &&
                               arguments_check<type_list<Args...>, type_list<>>::good;

  using all = type_list<std::int64_t, object&>;

  static call_code code(M member) {
    if (member == nullptr) throw_null_function();
    return {data_member_decoder<M, object>::address(), nullptr, 0};
  }
  template <class Use, class Given>
  static void with_all(M member, Use&& use, Given&& self) {
    use(std::bit_cast<std::int64_t>(member), std::forward<Given>(self));
  }
};

template <class F>
struct state_check {
  static_assert(
      !has_state<F> || can_travel<F>::value,
      "pp: this function object has state that cannot travel: a lambda with captures (or a std::function) cannot be "
      "sent, so take what it captures as an argument; a class of your own needs a cereal serialize function");
  static_assert(has_state<F> || std::is_default_constructible_v<F> || std::is_trivially_copyable_v<F>,
                "pp: a function object without state needs a default constructor to be made anew in the worker");
  static constexpr bool good =
      has_state<F> ? can_travel<F>::value : std::is_default_constructible_v<F> || std::is_trivially_copyable_v<F>;
};

template <class F, class Parameters, class... Args>
struct object_call_check {
  using call = invoked<typename passed_function<F>::type, Parameters>;
  static_assert(
      call::possible,
      "pp: this function object cannot be called with these arguments: parameters declared auto get values of the "
      "arguments' own types, so auto& does not bind; declare them auto or const auto&");
  using raw_result = typename call::type;
  static constexpr bool good = call::possible && result_check<raw_result>::good;
};

template <class F, class... Args>
struct object_call {
  using parameters = typename object_parameters<F, Args...>::type;
  static constexpr bool arguments_good = state_check<F>::good && arguments_check<type_list<Args...>, parameters>::good;
  struct nothing {
    using raw_result = void;
    static constexpr bool good = false;
  };
  using result_part = typename std::conditional_t<arguments_good, std::type_identity<object_call_check<F, parameters>>,
                                                  std::type_identity<nothing>>::type;
  using raw_result = typename result_part::raw_result;
  static constexpr bool good = result_part::good;

  using all = std::conditional_t<has_state<F>, typename joined<type_list<const F&>, parameters>::type, parameters>;

  static call_code code(const F&) { return {object_decoder<F, parameters>::address(), nullptr, 0}; }
  template <class Use, class... Given>
  static void with_all(const F& function, Use&& use, Given&&... given) {
    if constexpr (has_state<F>) {
      use(function, std::forward<Given>(given)...);
    } else {
      use(std::forward<Given>(given)...);
    }
  }
};

template <class F, class... Args>
struct no_call {
  static_assert(!is_c_variadic<F>,
                "pp: a function with C variadic arguments (...) cannot be submitted: wrap the call in a lambda");
  static_assert(
      is_c_variadic<F> || !std::is_same_v<F, F>,
      "pp: the first argument must be something that can be called: a function, a member pointer, a captureless "
      "lambda or a function object");
  using raw_result = void;
  static constexpr bool good = false;
};

template <class F, class... Args>
using call_of = typename std::conditional_t<
    function_signature<F>::value, std::type_identity<function_call<F, Args...>>,
    std::conditional_t<std::is_member_pointer_v<F>, std::type_identity<member_call<F, Args...>>,
                       std::conditional_t<std::is_class_v<F>, std::type_identity<object_call<F, Args...>>,
                                          std::type_identity<no_call<F, Args...>>>>>::type;

/// What a job of `F` called with `Args` gives back: a value, or void.
template <class F, class... Args>
using result_of = std::decay_t<typename call_of<std::decay_t<F>, Args...>::raw_result>;

/// Appends the encoded call to `into` and says which code it needs. Throws whatever encoding an argument throws,
/// payload_too_large, or pp::error(errc::bad_option) for a null function pointer.
template <class F, class... Args>
call_code prepare(F&& f, payload& into, Args&&... args) {
  using call = call_of<std::decay_t<F>, Args...>;
  if constexpr (call::good) {
    const call_code code = call::code(f);
    const auto encode_all = [&into](auto&&... all) {
      encode_arguments(typename call::all(), into, std::forward<decltype(all)>(all)...);
    };
    call::with_all(f, encode_all, std::forward<Args>(args)...);
    return code;
  } else {
    return {};  // a static_assert has said why
  }
}

}  // namespace pp::detail
