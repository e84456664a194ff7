// What a callable's type says: result, parameters, and for members the object. Nothing here runs.
//
// Must not know: bytes, checks.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

namespace pp::detail {

template <class... T>
struct type_list {
  static constexpr std::size_t size = sizeof...(T);
};

// Free functions and static members.

template <class F>
struct function_signature : std::false_type {};
template <class R, class... P>
struct function_signature<R (*)(P...)> : std::true_type {
  using result = R;
  using parameters = type_list<P...>;
  using plain = R(P...);
};
template <class R, class... P>
struct function_signature<R (*)(P...) noexcept> : function_signature<R (*)(P...)> {};

template <class F>
inline constexpr bool is_c_variadic = false;
template <class R, class... P>
inline constexpr bool is_c_variadic<R (*)(P..., ...)> = true;
template <class R, class... P>
inline constexpr bool is_c_variadic<R (*)(P..., ...) noexcept> = true;

// Member functions with every qualifier. `object` is what the member belongs to, `passed_object` how a call hands it
// over.

template <class M>
struct member_signature : std::false_type {};

#define PP_MEMBER_SIGNATURE(QUALIFIERS, PASSED)                         \
  template <class R, class C, class... P>                               \
  struct member_signature<R (C::*)(P...) QUALIFIERS> : std::true_type { \
    using result = R;                                                   \
    using object = C;                                                   \
    using parameters = type_list<P...>;                                 \
    template <class Object>                                             \
    using passed_object = Object PASSED;                                \
  };
#define PP_MEMBER_SIGNATURES(QUALIFIERS, PASSED) \
  PP_MEMBER_SIGNATURE(QUALIFIERS, PASSED)        \
  PP_MEMBER_SIGNATURE(QUALIFIERS noexcept, PASSED)

PP_MEMBER_SIGNATURES(, &)
PP_MEMBER_SIGNATURES(const, &)
PP_MEMBER_SIGNATURES(volatile, &)
PP_MEMBER_SIGNATURES(const volatile, &)
PP_MEMBER_SIGNATURES(&, &)
PP_MEMBER_SIGNATURES(const&, &)
PP_MEMBER_SIGNATURES(volatile&, &)
PP_MEMBER_SIGNATURES(const volatile&, &)
PP_MEMBER_SIGNATURES(&&, &&)
PP_MEMBER_SIGNATURES(const&&, &&)
PP_MEMBER_SIGNATURES(volatile&&, &&)
PP_MEMBER_SIGNATURES(const volatile&&, &&)

#undef PP_MEMBER_SIGNATURES
#undef PP_MEMBER_SIGNATURE

// Data members.

template <class M>
struct data_member : std::false_type {};
template <class T, class C>
requires(!std::is_function_v<T>) struct data_member<T C::*> : std::true_type {
  using object = C;
  using member = T;
};

// Function objects: the parameters of their one operator(), or, if it is a template or overloaded, the decayed
// arguments.

template <class F>
concept has_one_call_operator = requires {
  &F::operator();
};

template <class F, class... Args>
struct object_parameters {
  using type = type_list<std::decay_t<Args>...>;
  static constexpr bool generic = true;
};
template <has_one_call_operator F, class... Args>
struct object_parameters<F, Args...> {
  using type = typename member_signature<decltype(&F::operator())>::parameters;
  static constexpr bool generic = false;
};

/// Result of calling Function with parameters in a list handed over as declared; void where that is no valid call.
template <class Function, class Parameters>
struct invoked;
template <class Function, class... P>
struct invoked<Function, type_list<P...>> {
  static constexpr bool possible = std::is_invocable_v<Function, P&&...>;
  using type =
      typename std::conditional_t<possible, std::invoke_result<Function, P&&...>, std::type_identity<void>>::type;
};

}  // namespace pp::detail
