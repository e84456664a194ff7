// The caller's end of a chunk: items from a range into bytes, results from bytes into an output. chunk_decoders.hpp has the
// layout.
//
// Promises: nothing is copied but from the range into the payload and from the result into the output; where both sides
// hold numbers side by side, as one block. An output never gets more than it has room for.
// Must not know: how many items go at once, nodes.
#pragma once

#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <ranges>
#include <vector>

#include "pp/detail/callable.hpp"
#include "pp/detail/chunk_decoders.hpp"

namespace pp::detail {

/// What an element of a range is as an argument: a proxy (std::vector<bool>'s) counts as the value it stands for.
template <class Range>
using element_of = std::conditional_t<
    std::is_same_v<std::remove_cvref_t<std::ranges::range_reference_t<Range>>, std::ranges::range_value_t<Range>>,
    std::ranges::range_reference_t<Range>, std::ranges::range_value_t<Range>>;

/// Writes the head of a chunk before its items are counted.
class chunk_head_writer {
 public:
  chunk_head_writer(payload& into, std::uint64_t first) : into_(into) {
    const chunk_head head{first, 0};
    into.append(&head.first, sizeof head.first);
    at_ = into.size();
    into.append(&head.count, sizeof head.count);
  }
  void close(std::uint64_t count) {
    std::memcpy(into_.data() + at_, &count, sizeof count);
    const std::size_t used = into_.size() - at_ - sizeof count;
    if (used < count) std::memset(into_.extend(count - used), 0, count - used);
  }

 private:
  payload& into_;
  std::size_t at_ = 0;
};

/// The items of a range as parameters of type P, taken once from its beginning to its end.
template <class P, class Range>
class item_packer {
  using wanted = std::remove_cvref_t<P>;
  using iterator = std::ranges::iterator_t<Range>;
  using sentinel = std::ranges::sentinel_t<Range>;
  static constexpr bool is_countable = std::sized_sentinel_for<sentinel, iterator>;
  static constexpr bool is_block =
      is_countable && std::contiguous_iterator<iterator> && std::is_same_v<std::iter_value_t<iterator>, wanted>;

 public:
  explicit item_packer(Range& range) : at_(std::ranges::begin(range)), end_(std::ranges::end(range)) {}

  /// Tells how many were appended; 0 at the end.
  std::uint64_t pack(payload& into, std::uint64_t most, std::size_t most_bytes) {
    if constexpr (is_packed<wanted>) {
      most = std::min<std::uint64_t>(most, std::max<std::size_t>(1, most_bytes / sizeof(wanted)));
      if constexpr (is_countable) most = std::min(most, static_cast<std::uint64_t>(end_ - at_));
      if constexpr (is_block)
        return pack_block(into, most);
      else
        return pack_numbers(into, most);
    } else {
      return pack_values(into, most, most_bytes);
    }
  }

 private:
  std::uint64_t pack_block(payload& into, std::uint64_t count) {
    if (count != 0) into.append(std::to_address(at_), count * sizeof(wanted));
    at_ += static_cast<std::iter_difference_t<iterator>>(count);
    return count;
  }
  std::uint64_t pack_numbers(payload& into, std::uint64_t most) {
    std::uint8_t* to = is_countable ? into.extend(most * sizeof(wanted)) : nullptr;
    std::uint64_t count = 0;
    for (; count < most && (is_countable || at_ != end_); ++at_, ++count) {
      const auto value = static_cast<wanted>(static_cast<element_of<Range>>(*at_));
      if constexpr (is_countable)
        std::memcpy(to + count * sizeof value, &value, sizeof value);
      else
        into.append(&value, sizeof value);
    }
    return count;
  }
  std::uint64_t pack_values(payload& into, std::uint64_t most, std::size_t most_bytes) {
    const std::size_t start = into.size();
    std::uint64_t count = 0;
    for (; count < most && at_ != end_ && into.size() - start < most_bytes; ++at_, ++count) {
      encode_arguments(type_list<P>(), into, static_cast<element_of<Range>>(*at_));
    }
    return count;
  }

  iterator at_;
  sentinel end_;
};

/// Results into a vector that grows.
template <class R>
class vector_output {
 public:
  void expect(std::uint64_t count) { values_.reserve(count); }
  void put(R&& value) { values_.push_back(std::move(value)); }
  void put_packed(const std::uint8_t* from, std::uint64_t count) {
    if constexpr (std::is_same_v<R, bool>) {
      for (; count > 0; --count) values_.push_back(*from++ != 0);
    } else if (count != 0) {
      const std::size_t before = values_.size();
      values_.resize(before + count);
      std::memcpy(values_.data() + before, from, count * sizeof(R));
    }
  }
  std::vector<R> take() { return std::move(values_); }

 private:
  std::vector<R> values_;
};

/// Results to where an iterator leads, at most to its end.
template <class R, class Iterator, class Sentinel>
class iterator_output {
  static constexpr bool is_countable = std::sized_sentinel_for<Sentinel, Iterator>;
  static constexpr bool is_block = [] {
    if constexpr (!std::contiguous_iterator<Iterator>)
      return false;
    else
      return std::is_same_v<std::iter_value_t<Iterator>, R>;
  }();

 public:
  iterator_output(Iterator at, Sentinel end) : at_(std::move(at)), end_(std::move(end)) {}

  void expect(std::uint64_t count) { check_room(count); }
  void put(R&& value) {
    if constexpr (!is_endless) {
      if (at_ == end_) throw_full();
    }
    *at_ = std::move(value);
    ++at_;
  }
  void put_packed(const std::uint8_t* from, std::uint64_t count) {
    check_room(count);
    if constexpr (is_block) {
      if (count != 0) std::memcpy(std::to_address(at_), from, count * sizeof(R));
      at_ += static_cast<std::iter_difference_t<Iterator>>(count);
    } else {
      for (; count > 0; --count, from += sizeof(R)) {
        R value;
        std::memcpy(&value, from, sizeof value);
        put(std::move(value));
      }
    }
  }
  Iterator take() { return std::move(at_); }

 private:
  static constexpr bool is_endless = std::is_same_v<Sentinel, std::unreachable_sentinel_t>;

  void check_room(std::uint64_t count) const {
    if constexpr (is_countable) {
      if (static_cast<std::uint64_t>(end_ - at_) < count) throw_full();
    }
  }
  [[noreturn]] static void throw_full() {
    throw error(errc::bad_option,
                "pp: the output given to map has less room than the range has elements: make it longer");
  }

  Iterator at_;
  [[no_unique_address]] Sentinel end_;
};

/// The results of functions that return nothing.
class no_output {
 public:
  void expect(std::uint64_t) {}
  void take() {}
};

/// `count` results that are all of the bytes. Throws pp::error(errc::bad_message), and what the output throws.
template <class R, class Output>
void unpack_results(const std::uint8_t* bytes, std::size_t size, std::uint64_t count, Output& to) {
  byte_source from(bytes, size);
  if constexpr (std::is_void_v<R>) {
    from.finish();
  } else if constexpr (is_packed<R>) {
    const std::uint8_t* const values = take_packed<R>(from, count);
    from.finish();
    to.put_packed(values, count);
  } else {
    for (; count > 0; --count) {
      slot<R> place;
      with_our_errors([&] { fill_part(from, place); });
      to.put(std::move(place.value()));
    }
    from.finish();
  }
}

}  // namespace pp::detail
