// Calls whose arguments and results are JSON texts: what stands behind pp::publish.
//
// Promises: an argument that is missing, too many, or of another type is an exception that names it and shows the signature.
// Must not know: clients, nodes.
#pragma once

#include <cereal/archives/json.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>

#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace pp::detail {

using json_function = std::function<std::string(const std::string&)>;

/// "bool is_even(int)".
std::string signature_text(const std::string& name, const std::type_info& result,
                           const std::vector<const std::type_info*>& parameters);
void publish_as(std::string name, std::string signature, std::string help, json_function call);
[[noreturn]] void throw_wrong_count(std::size_t given, std::size_t wanted);
[[noreturn]] void throw_wrong_argument(std::size_t number, const std::type_info& wanted);
/// What a cereal archive wrote under the name "value", without spaces. Throws if it is no JSON (a NaN, for example).
std::string only_value(const std::string& written);
/// Throws std::invalid_argument if `text` is no JSON array.
void check_is_array(const std::string& text);
/// The functions of this process as OFFER has them.
std::string published_json();
/// Runs in a worker. Throws std::invalid_argument for a name that is not known; whatever the function throws.
std::string call_published(const std::string& name, const std::string& arguments);

template <class T>
void read_argument(cereal::JSONInputArchive& from, std::size_t number, T& to) {
  try {
    from(to);
  } catch (const cereal::Exception&) {  // RapidJSON's are, too
    throw_wrong_argument(number, typeid(T));
  }
}

template <class... T>
std::tuple<T...> read_arguments(const std::string& text) {
  check_is_array(text);
  std::istringstream in(text);
  cereal::JSONInputArchive archive(in);
  cereal::size_type count = 0;
  archive(cereal::make_size_tag(count));
  if (count != sizeof...(T)) throw_wrong_count(count, sizeof...(T));
  std::tuple<T...> out;
  std::size_t number = 0;
  std::apply([&](T&... each) { (read_argument(archive, ++number, each), ...); }, out);
  return out;
}

template <class T>
std::string write_result(const T& value) {
  std::ostringstream out;
  {
    cereal::JSONOutputArchive archive(out);
    archive(cereal::make_nvp("value", value));
  }
  return only_value(out.str());
}

template <class R, class... Args>
void publish_function(std::string name, std::function<R(Args...)> f, std::string help) {
  static_assert(
      (std::is_default_constructible_v<std::decay_t<Args>> && ...),
      "pp: parameters of a published function must have a default constructor, so that JSON can be read into them");
  static_assert(((!std::is_lvalue_reference_v<Args> || std::is_const_v<std::remove_reference_t<Args>>)&&...),
                "pp: a published function cannot give results through its parameters: return them");
  static_assert(((!std::is_pointer_v<std::decay_t<Args>>)&&...),
                "pp: a pointer means nothing in another process: take std::string, std::vector or the value itself");
  auto signature = signature_text(name, typeid(R), {&typeid(Args)...});
  publish_as(std::move(name), std::move(signature), std::move(help), [f = std::move(f)](const std::string& text) {
    auto arguments = read_arguments<std::decay_t<Args>...>(text);
    if constexpr (std::is_void_v<R>) {
      std::apply([&](auto&... each) { f(static_cast<Args&&>(each)...); }, arguments);
      return std::string("null");
    } else {
      return write_result(std::apply([&](auto&... each) { return f(static_cast<Args&&>(each)...); }, arguments));
    }
  });
}

/// Calls the method of an object that all copies share.
template <class M, class T>
auto bound_method(M method, T object) {
  return [method, self = std::make_shared<T>(std::move(object))]<class... Args>(Args&&... args) -> decltype(auto) {
    return ((*self).*method)(std::forward<Args>(args)...);
  };
}

}  // namespace pp::detail
