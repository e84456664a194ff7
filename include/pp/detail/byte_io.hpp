// The bytes under the archives: appending to a payload, and reading where every length is checked against what is left.
//
// Promises: byte_source never reads beyond its end and never lets a container claim more elements than bytes are left;
// what is wrong is told as pp::error(errc::bad_message).
// Elements that encode to nothing (empty classes) would break that rule, so both sides keep a tally: a container of n
// elements is owed n bytes behind its count, and finish() pads what the elements did not use with zeros, all in one
// place at the end. Must not know: cereal, types.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "pp/detail/payload.hpp"
#include "pp/error.hpp"

namespace pp::detail {

[[noreturn, gnu::cold]] inline void throw_bad_message(const std::string& why) {
  throw error(errc::bad_message, "pp: these bytes are not what they should be: " + why);
}

class byte_sink {
 public:
  explicit byte_sink(payload& to) : to_(&to) {}

  void put(const void* from, std::size_t size) { to_->append(from, size); }
  /// A container of `elements` elements begins here.
  void announce(std::uint64_t elements) {
    put(&elements, sizeof elements);
    owed_ = std::max<std::uint64_t>(owed_, to_->size() + elements);
  }
  void finish() {
    static constexpr std::uint8_t zeros[256] = {};
    while (to_->size() < owed_) put(zeros, std::min<std::uint64_t>(sizeof zeros, owed_ - to_->size()));
  }

 private:
  payload* to_;
  std::uint64_t owed_ = 0;
};

class byte_source {
 public:
  byte_source(const std::uint8_t* from, std::size_t size) : at_(from), owed_(from), end_(from + size) {}

  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  const std::uint8_t* take(std::size_t size) {
    if (size > left()) throw_bad_message("they end too early");
    const std::uint8_t* got = at_;
    at_ += size;
    return got;
  }
  void get(void* to, std::size_t size) {
    const std::uint8_t* from = take(size);
    if (size != 0) std::memcpy(to, from, size);
  }
  /// The number of elements of a container that follows.
  std::uint64_t announced() {
    std::uint64_t elements = 0;
    get(&elements, sizeof elements);
    if (elements > left()) throw_bad_message("a container is said to be longer than all that is left");
    owed_ = std::max(owed_, at_ + elements);
    return elements;
  }
  /// `count` numbers of `width` bytes each, checked before the caller makes room for them.
  const std::uint8_t* take_array(std::uint64_t count, std::size_t width) {
    if (count > left() / width) throw_bad_message("an array is said to be longer than all that is left");
    return take(static_cast<std::size_t>(count) * width);
  }
  const std::uint8_t* position() const { return at_; }
  /// One value among others ends here; the next begins behind its padding, which is where this leads.
  const std::uint8_t* finish_part() {
    for (; at_ < owed_; ++at_) {
      if (*at_ != 0) throw_bad_message("the padding of empty elements is not zero");
    }
    return at_;
  }
  /// Everything must have been used.
  void finish() {
    finish_part();
    if (at_ != end_) throw_bad_message("there are more of them than the types account for");
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* owed_;
  const std::uint8_t* end_;
};

/// Gives a vector or string of numbers the elements that lie at `from`, in one pass where they are aligned.
template <class Sequence>
void fill_with(Sequence& to, const std::uint8_t* from, std::size_t count) {
  using element = typename Sequence::value_type;
  to.clear();
  if (count == 0) return;
  to.reserve(count);
  expect_large_write(to.data(), count * sizeof(element));
  if (reinterpret_cast<std::uintptr_t>(from) % alignof(element) == 0) {
    const auto* const elements = reinterpret_cast<const element*>(from);
    to.assign(elements, elements + count);
  } else {
    to.resize(count);
    std::memcpy(to.data(), from, count * sizeof(element));
  }
}

}  // namespace pp::detail
