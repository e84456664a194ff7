// Functions that clients without this program can call by name: from a shell with `ppclient call`, so from any language, or
// with client::call. They see names, signatures and help with `ppclient functions`.
//
//   bool is_even(int n) { return n % 2 == 0; }
//
//   int main(int argc, char** argv) {
//     pp::publish("is_even", is_even, "whether a number is even");
//     pp::publish("counter.add", &counter::add, counter(), "adds to a sum that each worker keeps");
//     pp::init(argc, argv);
//     pp::client client;
//     client.offer();  // from now on nodes list them, and run them for whoever has the key
//     pause();         // until this ends
//   }
//
// Arguments and results travel as JSON: numbers, true and false, texts, arrays for ranges, objects for classes with a cereal
// serialize function (their members are called value0, value1, … unless it names them).
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "pp/detail/json_call.hpp"

namespace pp {

/// Makes `f` callable as `name`: a function, a captureless or other lambda, a function object. It runs in worker processes, one
/// call at a time in each, with the copy of `f` that each made when it started.
///
/// `name`: 1 to 255 letters, digits, '_', '.', '-' and ':'; `help`: at most 4096 bytes, what a caller should know.
/// Threads: main, before pp::init: also the workers must come by here.
/// Throws:  pp::error(errc::bad_option) for a name that is taken or out of its form, more than 1000 names, or after pp::init.
template <class F>
requires(!std::is_member_pointer_v<F>) void publish(std::string name, F f, std::string help = {}) {
  auto as_function = std::function(std::move(f));  // knows result and parameters
  detail::publish_function(std::move(name), std::move(as_function), std::move(help));
}

/// The same for a method, of a copy of `object` that each worker has and keeps from call to call.
template <class R, class T, class... Args>
void publish(std::string name, R (T::*method)(Args...), T object, std::string help = {}) {
  detail::publish_function(std::move(name), std::function<R(Args...)>(detail::bound_method(method, std::move(object))),
                           std::move(help));
}
/// The same for a method that changes nothing.
template <class R, class T, class... Args>
void publish(std::string name, R (T::*method)(Args...) const, T object, std::string help = {}) {
  detail::publish_function(std::move(name), std::function<R(Args...)>(detail::bound_method(method, std::move(object))),
                           std::move(help));
}

}  // namespace pp
