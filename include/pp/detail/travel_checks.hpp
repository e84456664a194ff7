// What cannot travel to another machine, each refused with a sentence that says what to do instead.
//
// Promises: every text begins with "pp: ". A type that passes can be encoded and decoded by the archives.
// Must not know: how a call is made.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pp/detail/archive.hpp"
#include "pp/detail/signature.hpp"

namespace pp::detail {

template <class T>
inline constexpr bool is_view = false;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_view<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view<std::initializer_list<T>> = true;

template <class T>
inline constexpr bool is_pointer_like =
    std::is_pointer_v<T> || std::is_null_pointer_v<T> || std::is_member_pointer_v<T>;

template <class T>
inline constexpr bool is_encodable = std::is_empty_v<T> ||
                                     (cereal::traits::is_output_serializable<T, output_archive>::value &&
                                      (cereal::traits::is_input_serializable<T, input_archive>::value ||
                                       is_constructed_by_cereal<T>));

/// cereal's traits look at the outside of a container only; this looks at its elements too.
template <class T>
struct can_travel
    : std::bool_constant<!is_pointer_like<T> && !is_view<T> && !std::is_reference_v<T> && is_encodable<T>> {};
template <class T>
requires std::is_const_v<T>
struct can_travel<T> : can_travel<std::remove_const_t<T>> {
};
template <class T, class A>
struct can_travel<std::vector<T, A>> : can_travel<T> {};
template <class T, class A>
struct can_travel<std::deque<T, A>> : can_travel<T> {};
template <class T, class A>
struct can_travel<std::list<T, A>> : can_travel<T> {};
template <class T, std::size_t N>
struct can_travel<std::array<T, N>> : can_travel<T> {};
template <class T>
struct can_travel<std::optional<T>> : can_travel<T> {};
template <class A, class B>
struct can_travel<std::pair<A, B>> : std::conjunction<can_travel<A>, can_travel<B>> {};
template <class... T>
struct can_travel<std::tuple<T...>> : std::conjunction<can_travel<T>...> {};
template <class... T>
struct can_travel<std::variant<T...>> : std::conjunction<can_travel<T>...> {};
template <class K, class T, class L, class A>
struct can_travel<std::map<K, T, L, A>> : std::conjunction<can_travel<K>, can_travel<T>> {};
template <class K, class T, class H, class E, class A>
struct can_travel<std::unordered_map<K, T, H, E, A>> : std::conjunction<can_travel<K>, can_travel<T>> {};
template <class K, class L, class A>
struct can_travel<std::set<K, L, A>> : can_travel<K> {};
template <class K, class H, class E, class A>
struct can_travel<std::unordered_set<K, H, E, A>> : can_travel<K> {};

/// Checks the type of one parameter of a job.
template <class P>
struct parameter_check {
  using value = std::remove_cvref_t<P>;
  static constexpr bool is_changed = std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;
  static_assert(
      !is_changed,
      "pp: a parameter that is a reference to non-const cannot travel: the job runs on another machine and could "
      "not change the caller's object; take it by value and return what changed");
  static_assert(
      !is_pointer_like<value>,
      "pp: a pointer cannot travel: what it points to stays on this machine; take the value itself (std::string "
      "instead of const char*, std::vector instead of an array, std::unique_ptr instead of an owning pointer)");
  static_assert(
      !is_view<value>,
      "pp: a view cannot travel: what std::string_view, std::span or std::reference_wrapper looks at stays on this "
      "machine; take a std::string, a std::vector or the value itself");
  static_assert(
      !std::is_abstract_v<value>,
      "pp: an abstract class cannot travel by reference: take a std::unique_ptr to it and register the derived "
      "classes with CEREAL_REGISTER_TYPE");
  static_assert(
      is_changed || is_pointer_like<value> || is_view<value> || std::is_abstract_v<value> || can_travel<value>::value,
      "pp: the type of this parameter cannot travel: give it (and everything in it) a cereal serialize function, "
      "template <class Archive> void serialize(Archive& ar) { ar(member, other_member); }");
  static constexpr bool good = !is_changed && !std::is_abstract_v<value> && can_travel<value>::value;
};

/// Checks the type a job gives back.
template <class R>
struct result_check {
  using value = std::decay_t<R>;
  static constexpr bool is_alias = std::is_lvalue_reference_v<R> && !std::is_const_v<std::remove_reference_t<R>>;
  static_assert(
      !is_alias,
      "pp: a job cannot return a reference to non-const: what it refers to stays in the worker; return the value");
  static_assert(!is_pointer_like<value>,
                "pp: a job cannot return a pointer: what it points to stays in the worker; return the value itself "
                "(std::string instead of const char*, std::unique_ptr instead of an owning pointer)");
  static_assert(
      !is_view<value>,
      "pp: a job cannot return a view: what it looks at stays in the worker; return a std::string, a std::vector or "
      "the value itself");
  static_assert(
      is_alias || is_pointer_like<value> || is_view<value> || std::is_void_v<value> || can_travel<value>::value,
      "pp: the result type of this job cannot travel: give it (and everything in it) a cereal serialize function, "
      "template <class Archive> void serialize(Archive& ar) { ar(member, other_member); }");
  static constexpr bool good = !is_alias && (std::is_void_v<value> || can_travel<value>::value);
};

/// Checks that an argument fits a parameter as it would in a direct call.
template <class Arg, class P>
struct argument_check {
  using given = std::remove_cvref_t<Arg>;
  using wanted = std::remove_cvref_t<P>;
  static constexpr bool fits = std::is_same_v<given, wanted> || std::is_convertible_v<Arg, wanted>;
  static constexpr bool is_sliced = std::is_reference_v<P> && std::is_class_v<given> &&
                                    !std::is_same_v<given, wanted> && std::is_base_of_v<wanted, given>;
  static_assert(fits || !parameter_check<P>::good,
                "pp: an argument does not convert to its parameter's type, just as in a direct call of this function");
  static_assert(
      !is_sliced,
      "pp: this argument would lose its derived part: a job gets a copy of the parameter's own type; pass an object of "
      "exactly that type or a std::unique_ptr to it");
  static constexpr bool good = parameter_check<P>::good && fits && !is_sliced;
};

template <class Args, class Parameters>
struct arguments_check {
  static_assert(
      Args::size == Parameters::size,
      "pp: wrong number of arguments for this function (default arguments are not known here: pass every one, or wrap "
      "the call in a captureless lambda)");
  static constexpr bool good = false;
};
template <class... Args, class... P>
requires(sizeof...(Args) == sizeof...(P)) struct arguments_check<type_list<Args...>, type_list<P...>> {
  static constexpr bool good = (argument_check<Args, P>::good && ... && true);
};

}  // namespace pp::detail
