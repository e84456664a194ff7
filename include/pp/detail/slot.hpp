// Values in and out of bytes: encode, decode, and the places that hold decoded values until they are used.
//
// Promises: numbers, enumerations, strings and vectors of numbers never build a cereal archive, which costs more than
// they do; their bytes are the same either way. Included by archive.hpp.
#pragma once

#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pp/detail/archive.hpp"

namespace pp::detail {

// Flat types: numbers, enumerations, strings and vectors of numbers.

template <class T>
struct flat_sequence : std::false_type {};
template <>
struct flat_sequence<std::string> : std::true_type {};
template <class T>
requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) struct flat_sequence<std::vector<T>> : std::true_type {
};

template <class T>
inline constexpr bool is_flat = std::is_arithmetic_v<T> || std::is_enum_v<T> || flat_sequence<T>::value;

template <class T>
void put_flat(byte_sink& to, const T& value) {
  if constexpr (flat_sequence<T>::value) {
    to.announce(value.size());
    to.put(value.data(), value.size() * sizeof(*value.data()));
  } else {
    to.put(&value, sizeof value);
  }
}
template <class T>
void get_flat(byte_source& from, T& value) {
  if constexpr (flat_sequence<T>::value) {
    using element = typename T::value_type;
    const std::uint64_t count = from.announced();
    const std::uint8_t* bytes = from.take_array(count, sizeof(element));
    fill_with(value, bytes, static_cast<std::size_t>(count));
  } else if constexpr (std::is_same_v<T, bool>) {
    const std::uint8_t byte = *from.take(1);
    if (byte > 1) throw_bad_message("a bool is neither true nor false");
    value = byte != 0;
  } else {
    from.get(&value, sizeof value);
  }
}

/// Where encoding goes: straight to the bytes if all of T are flat, else through an archive.
template <class... T>
using encoder_for = std::conditional_t<(is_flat<T> && ...), byte_sink, output_archive>;
template <class... T>
using decoder_for = std::conditional_t<(is_flat<T> && ...), byte_source, input_archive>;

template <class T>
void put(byte_sink& to, const T& value) {
  put_flat(to, value);
}
template <class T>
void put(output_archive& to, const T& value) {
  to(value);
}

// How a value of T comes to be before it is filled.

template <class T>
inline constexpr bool is_constructed_by_cereal = cereal::traits::has_load_and_construct<T, input_archive>::value;

/// Holds one decoded value.
template <class T>
class slot {
 public:
  void fill(byte_source& from) { get_flat(from, value_); }
  void fill(input_archive& from) { from(value_); }
  T& value() { return value_; }

 private:
  T value_{};
};

/// For a type whose default constructor only cereal::access may use. An error here means: the type needs a default
/// constructor (private with `friend class cereal::access` will do) or a static load_and_construct.
template <class T>
requires(!std::is_default_constructible_v<T> && !is_constructed_by_cereal<T>) class slot<T> {
 public:
  void fill(input_archive& from) { from(*value_); }
  T& value() { return *value_; }

 private:
  std::unique_ptr<T> value_{cereal::access::construct<T>()};
};

/// For a type with cereal's load_and_construct.
template <class T>
requires(!std::is_default_constructible_v<T> && is_constructed_by_cereal<T>) class slot<T> {
 public:
  slot() = default;
  slot(const slot&) = delete;
  slot& operator=(const slot&) = delete;
  ~slot() {
    if (filled_) value().~T();
  }
  void fill(input_archive& from) {
    cereal::memory_detail::LoadAndConstructLoadWrapper<input_archive, T> maker(reinterpret_cast<T*>(place_));
    from(maker);
    filled_ = true;
  }
  T& value() { return *std::launder(reinterpret_cast<T*>(place_)); }

 private:
  alignas(T) unsigned char place_[sizeof(T)];
  bool filled_ = false;
};

/// Fills a place with one value among others; each stands as encode() made it, padding included.
template <class T>
void fill_part(byte_source& from, slot<T>& place) {
  if constexpr (is_flat<T>) {
    place.fill(from);
  } else {
    // An archive of its own for each: shared pointers and class versions of one value mean nothing to the next.
    input_archive own(from.position(), from.left());
    place.fill(own);
    from.take(static_cast<std::size_t>(own.source().finish_part() - from.position()));
  }
}

/// cereal speaks in its own exception about bytes; this library's is pp::error.
template <class Do>
decltype(auto) with_our_errors(Do&& decode_it) {
  try {
    return decode_it();
  } catch (const cereal::Exception& e) {
    throw_bad_message(e.what());
  }
}

/// Appends the values.
template <class... T>
void encode(payload& into, const T&... values) {
  encoder_for<T...> to(into);
  (put(to, values), ...);
  to.finish();
}

/// The one value that all of the bytes are. Throws pp::error(errc::bad_message).
template <class T>
T decode(const std::uint8_t* from, std::size_t size) {
  return with_our_errors([&]() -> T {
    slot<T> place;
    decoder_for<T> source(from, size);
    place.fill(source);
    source.finish();
    return std::move(place.value());
  });
}

/// The result of a job.
template <class R>
R decode_value(const std::uint8_t* from, std::size_t size) {
  if constexpr (std::is_void_v<R>) {
    byte_source(from, size).finish();
  } else {
    return decode<R>(from, size);
  }
}

}  // namespace pp::detail
