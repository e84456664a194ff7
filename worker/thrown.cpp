#include "worker/thrown.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace pp::worker {
namespace {

constexpr const char* no_words = "unknown exception type";

/// std::throw_with_nested throws a type of its own around the one that was given to it: people want the latter.
std::string without_wrapping(std::string type) {
  for (const std::string_view wrapping : {"std::_Nested_exception<", "std::__nested<", "std::__1::__nested<"}) {
    if (!type.starts_with(wrapping) || !type.ends_with('>')) continue;
    type = type.substr(wrapping.size(), type.size() - wrapping.size() - 1);
    while (type.ends_with(' ')) type.pop_back();
  }
  return type;
}

std::string demangled(const std::type_info& type) {
  int status = 0;
  char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string readable = status == 0 ? text : type.name();
  std::free(text);
  return without_wrapping(std::move(readable));
}

/// Of the exception that is being handled. There is none for those that did not come from C++.
std::string current_exception_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type != nullptr ? demangled(*type) : std::string();
}

struct seen_exception {
  std::string type, what;
  std::exception_ptr nested;
};

std::exception_ptr nested_in(const std::exception& e) {
  const auto* holder = dynamic_cast<const std::nested_exception*>(&e);
  return holder != nullptr ? holder->nested_ptr() : nullptr;
}

/// Requires: `thrown` is not null.
seen_exception look_at(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return {demangled(typeid(e)), e.what(), nested_in(e)};
  } catch (const std::nested_exception& holder) {
    return {current_exception_type(), no_words, holder.nested_ptr()};
  } catch (...) {
    return {current_exception_type(), no_words, nullptr};
  }
}

}  // namespace

wire::failure failure_of(const std::exception_ptr& thrown) {
  wire::failure why;
  seen_exception seen = thrown != nullptr ? look_at(thrown) : seen_exception{"", no_words, nullptr};
  why.type = std::move(seen.type);
  why.what = std::move(seen.what);
  while (seen.nested != nullptr && why.causes.size() < wire::max_causes) {
    seen = look_at(seen.nested);
    why.causes.push_back({std::move(seen.type), std::move(seen.what)});
  }
  return why;
}

}  // namespace pp::worker
