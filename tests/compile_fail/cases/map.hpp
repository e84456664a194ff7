// What client::map does with types, without a client.
#pragma once

#include <pp/detail/map.hpp>

pp::detail::client_core& any_core();

template <class F, class Range>
auto map(F&& f, Range&& range) {
  return pp::detail::map_values(any_core(), static_cast<const std::decay_t<F>&>(f), range, {});
}
template <class F, class Range, class Out>
auto map(F&& f, Range&& range, Out&& out) {
  return pp::detail::map_to(any_core(), static_cast<const std::decay_t<F>&>(f), range, std::forward<Out>(out), {});
}
