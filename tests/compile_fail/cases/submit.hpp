// What client::submit does with types, without a client.
#pragma once

#include <pp/detail/callable.hpp>

template <class F, class... Args>
pp::detail::result_of<F, Args...>* submit(F&& f, Args&&... args) {
  pp::detail::payload into;
  pp::detail::prepare(std::forward<F>(f), into, std::forward<Args>(args)...);
  return nullptr;
}
