// cereal archives that check every length against what is left; with slot.hpp the only place that names cereal.
//
// Promises: decoding allocates no more than a constant times the bytes it is given, follows no pointer id to an object
// of another type, nests at most 4096 deep, and throws pp::error(errc::bad_message) for bytes that cannot be what they
// claim to be; left-over bytes are an error too. The encoding is for two processes of one and the same program: native
// byte order, not self-describing. Threads: different archives are independent. Must not know: jobs, functions.
#pragma once

// Class versions are looked up in one global table while arguments are encoded, and that happens in any thread.
#ifndef CEREAL_THREAD_SAFE
#define CEREAL_THREAD_SAFE 1
#endif

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/bitset.hpp>
#include <cereal/types/chrono.hpp>
#include <cereal/types/common.hpp>
#include <cereal/types/complex.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/list.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/unordered_set.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>

#include <type_traits>
#include <unordered_map>

#include "pp/detail/byte_io.hpp"

namespace pp::detail {

/// How deep values may lie in each other (a node of a list linked by unique_ptr counts twice): the stack is finite, and
/// a level takes up to 700 bytes of it in a debug build.
inline constexpr unsigned max_nesting = 4096;

/// One address per type, to recognise what a shared pointer's id stands for.
template <class T>
inline constexpr char type_mark = 0;

class output_archive : public cereal::OutputArchive<output_archive, cereal::AllowEmptyClassElision> {
 public:
  explicit output_archive(payload& to) : OutputArchive(this), sink_(to) {}

  byte_sink& sink() { return sink_; }
  void finish() { sink_.finish(); }
  void enter() {
    if (++depth_ > max_nesting) throw error(errc::bad_message, "pp: a value is nested more than 4096 deep: flatten it");
  }
  void leave() { --depth_; }

 private:
  byte_sink sink_;
  unsigned depth_ = 0;
};

class input_archive : public cereal::InputArchive<input_archive, cereal::AllowEmptyClassElision> {
  using base = cereal::InputArchive<input_archive, cereal::AllowEmptyClassElision>;

 public:
  input_archive(const std::uint8_t* from, std::size_t size) : InputArchive(this), source_(from, size) {}

  byte_source& source() { return source_; }
  void finish() { source_.finish(); }
  void enter() {
    if (++depth_ > max_nesting) throw_bad_message("a value is nested more than 4096 deep");
  }
  void leave() { --depth_; }

  // cereal hands out a shared pointer by its id whatever its type; these two hide its functions and compare the types.
  void expect_pointer_to(const void* mark) { expected_ = mark; }
  void registerSharedPointer(std::uint32_t id, const std::shared_ptr<void>& pointer) {
    marks_[id & ~cereal::detail::msb_32bit] = expected_;
    base::registerSharedPointer(id, pointer);
  }
  std::shared_ptr<void> getSharedPointer(std::uint32_t id) {
    if (id == 0) return nullptr;
    const auto known = marks_.find(id);
    if (known == marks_.end() || known->second != expected_) throw_bad_message("a shared pointer leads nowhere");
    return base::getSharedPointer(id);
  }

 private:
  byte_source source_;
  unsigned depth_ = 0;
  const void* expected_ = nullptr;
  std::unordered_map<std::uint32_t, const void*> marks_;
};

// What follows are the overloads cereal finds by the archive's namespace; their names are cereal's.

/// cereal's own wrappers are no level of the user's value.
template <class T>
inline constexpr bool is_level = !std::is_arithmetic_v<T>;
template <class T>
inline constexpr bool is_level<cereal::NameValuePair<T>> = false;
template <class T>
inline constexpr bool is_level<cereal::SizeTag<T>> = false;
template <class T>
inline constexpr bool is_level<cereal::memory_detail::PtrWrapper<T>> = false;

template <class T>
requires is_level<T>
void prologue(output_archive& ar, const T&) { ar.enter(); }
template <class T>
requires is_level<T>
void epilogue(output_archive& ar, const T&) { ar.leave(); }
template <class T>
requires is_level<T>
void prologue(input_archive& ar, const T&) { ar.enter(); }
template <class T>
requires is_level<T>
void epilogue(input_archive& ar, const T&) { ar.leave(); }

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& ar, const T& value) { ar.sink().put(&value, sizeof value); }
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    const std::uint8_t byte = *ar.source().take(1);
    if (byte > 1) throw_bad_message("a bool is neither true nor false");
    value = byte != 0;
  } else {
    ar.source().get(&value, sizeof value);
  }
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(output_archive& ar, cereal::NameValuePair<T>& pair) {
  ar(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(input_archive& ar, cereal::NameValuePair<T>& pair) {
  ar(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(output_archive& ar, cereal::SizeTag<T>& tag) {
  ar.sink().announce(static_cast<std::uint64_t>(tag.size));
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(input_archive& ar, cereal::SizeTag<T>& tag) {
  tag.size = static_cast<std::decay_t<T>>(ar.source().announced());
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(output_archive& ar, const cereal::BinaryData<T>& data) {
  ar.sink().put(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, cereal::BinaryData<T>& data) {
  ar.source().get(data.data, static_cast<std::size_t>(data.size));
}

// cereal makes room for all elements before it reads the first; these grow with what was really read.

template <class Sequence>
void load_growing(input_archive& ar, Sequence& to, std::uint64_t count) {
  for (; count > 0; --count) ar(to.emplace_back());
}
template <class T, class A>
requires(!std::is_same_v<T, bool>) void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::vector<T, A>& to) {
  const std::uint64_t count = ar.source().announced();
  to.clear();
  if constexpr (std::is_arithmetic_v<T>) {
    fill_with(to, ar.source().take_array(count, sizeof(T)), static_cast<std::size_t>(count));
  } else {
    to.reserve(std::min(static_cast<std::size_t>(count), ar.source().left() / sizeof(T) + 1));
    load_growing(ar, to, count);
  }
}
template <class T, class A>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::deque<T, A>& to) {
  to.clear();
  load_growing(ar, to, ar.source().announced());
}
template <class T, class A>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::list<T, A>& to) {
  to.clear();
  load_growing(ar, to, ar.source().announced());
}
template <class C, class Traits, class A>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::basic_string<C, Traits, A>& to) {
  const std::uint64_t count = ar.source().announced();
  fill_with(to, ar.source().take_array(count, sizeof(C)), static_cast<std::size_t>(count));
}
/// cereal copies the bytes as they are, which makes bools that are neither true nor false.
template <std::size_t N>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::array<bool, N>& to) {
  for (bool& b : to) ar(b);
}
/// cereal inserts each element before the one before it, which turns equal keys round.
template <class Multiple, class Element>
void load_in_order(input_archive& ar, Multiple& to) {
  to.clear();
  for (std::uint64_t count = ar.source().announced(); count > 0; --count) {
    Element element{};
    ar(element);
    to.insert(to.end(), std::move(element));
  }
}
template <class K, class L, class A>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::multiset<K, L, A>& to) {
  load_in_order<std::multiset<K, L, A>, K>(ar, to);
}
template <class K, class T, class L, class A>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, std::multimap<K, T, L, A>& to) {
  load_in_order<std::multimap<K, T, L, A>, std::pair<K, T>>(ar, to);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(input_archive& ar, cereal::memory_detail::PtrWrapper<std::shared_ptr<T>&>& wrapper) {
  ar.expect_pointer_to(&type_mark<std::remove_const_t<T>>);
  cereal::CEREAL_LOAD_FUNCTION_NAME<input_archive>(ar, wrapper);
}

}  // namespace pp::detail

CEREAL_REGISTER_ARCHIVE(pp::detail::output_archive)
CEREAL_REGISTER_ARCHIVE(pp::detail::input_archive)
CEREAL_SETUP_ARCHIVE_TRAITS(pp::detail::input_archive, pp::detail::output_archive)

// encode, decode and decode_value, which need the archives complete.
#include "pp/detail/slot.hpp"
