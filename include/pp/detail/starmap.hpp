// client::starmap: elements that are tuples or pairs, each of which is the arguments of one call.
//
// Must not know: how chunks are cut, nodes.
#pragma once

#include <tuple>
#include <utility>

#include "pp/detail/algorithms.hpp"

namespace pp::detail {

/// A function object that takes its arguments as one tuple.
template <class F, class Arguments>
struct spread {
  using tuple = Arguments;
  [[no_unique_address]] F function;
  auto operator()(tuple arguments) const { return std::apply(function, std::move(arguments)); }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(function);
  }
};

template <class Parameters>
struct decayed_tuple;
template <class... P>
struct decayed_tuple<type_list<P...>> {
  using type = std::tuple<std::remove_cvref_t<P>...>;
};
template <class Tuple>
struct tuple_parts {
  static constexpr bool good = false;
  template <class F>
  using parameters = type_list<>;
};
template <class... T>
struct tuple_parts<std::tuple<T...>> {
  static constexpr bool good = true;
  template <class F>
  using parameters = typename object_parameters<F, T...>::type;
};
template <class A, class B>
struct tuple_parts<std::pair<A, B>> : tuple_parts<std::tuple<A, B>> {};

template <class F, class Range>
struct starmap_check {
  static constexpr bool is_object = std::is_class_v<F>;
  static_assert(is_object,
                "pp: starmap takes a captureless lambda or a function object: wrap the function, "
                "[](int a, int b) { return f(a, b); }");
  using element = std::remove_cvref_t<element_of<Range>>;
  static constexpr bool has_tuples = tuple_parts<element>::good;
  static_assert(has_tuples,
                "pp: the elements of starmap's range must be std::tuple or std::pair, one part per argument");
  static constexpr bool good = is_object && has_tuples;
};

template <class F, class Range>
auto starmap(client_core& core, const F& function, Range& range, const map_options& options) {
  if constexpr (starmap_check<F, Range>::good) {
    using element = typename starmap_check<F, Range>::element;
    using parameters = typename tuple_parts<element>::template parameters<F>;
    using one = spread<F, typename decayed_tuple<parameters>::type>;
    return map_values(core, one{function}, range, options);
  }
}

template <class F, class Range>
auto try_starmap(client_core& core, const F& function, Range& range, const map_options& options) {
  if constexpr (starmap_check<F, Range>::good) {
    using element = typename starmap_check<F, Range>::element;
    using parameters = typename tuple_parts<element>::template parameters<F>;
    using one = spread<F, typename decayed_tuple<parameters>::type>;
    return try_map(core, one{function}, range, options);
  }
}

}  // namespace pp::detail
