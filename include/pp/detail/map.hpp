// client::map's types: which parameter a function takes the elements as, and the range and output of one map together.
//
// Supported callables are submit's (callable.hpp) that take one argument; with a member pointer the elements are the
// objects. Everything else ends in a static_assert whose text begins with "pp: ". Must not know: how chunks are cut.
#pragma once

#include "pp/detail/chunk_packing.hpp"
#include "pp/detail/map_run.hpp"
#include "pp/detail/shared_value.hpp"

namespace pp::detail {

template <class Parameters>
struct only_parameter;
template <class P>
struct only_parameter<type_list<P>> {
  using type = P;
};

/// How many arguments besides a member's object; 1 where only the call itself can tell.
template <class F>
constexpr std::size_t count_parameters() {
  if constexpr (function_signature<F>::value) {
    return function_signature<F>::parameters::size;
  } else if constexpr (member_signature<F>::value) {
    return member_signature<F>::parameters::size + 1;
  } else if constexpr (has_one_call_operator<F>) {
    return member_signature<decltype(&F::operator())>::parameters::size;
  } else {
    return 1;
  }
}

// One class per kind of callable: the parameter, and begin(), which appends what stands in front of a chunk.

template <class F, class Element, class Form = each_result>
struct chunk_call {
  using parameter = typename only_parameter<typename object_parameters<F, Element>::type>::type;
  static call_code begin(const F& function, payload& into) {
    if constexpr (has_state<F>) encode<F>(into, function);
    return {object_chunk<F, parameter, Form>::address(), nullptr, 0};
  }
};

template <class F, class Element, class Form>
requires function_signature<F>::value struct chunk_call<F, Element, Form> {
  using parameter = typename only_parameter<typename function_signature<F>::parameters>::type;
  static call_code begin(F function, payload&) {
    if (function == nullptr) throw_null_function();
    return {function_chunk<typename function_signature<F>::plain, Form>::address(),
            reinterpret_cast<const void*>(function), 0};
  }
};

template <class F, class Element, class Form>
requires member_signature<F>::value struct chunk_call<F, Element, Form> {
  using object = std::remove_cvref_t<Element>;
  using parameter = object&;
  static call_code begin(F member, payload& into) {
    if (member == nullptr) throw_null_function();
    const member_pointer_parts parts = take_apart(member);
    encode(into, parts.adjustment);
    const thunk decoder = member_chunk<F, object, Form>::address();
    if (parts.is_virtual) return {decoder, nullptr, parts.target};
    return {decoder, reinterpret_cast<const void*>(parts.target), 0};
  }
};

template <class F, class Element, class Form>
requires data_member<F>::value struct chunk_call<F, Element, Form> {
  using object = std::remove_cvref_t<Element>;
  using parameter = object&;
  static call_code begin(F member, payload& into) {
    if (member == nullptr) throw_null_function();
    encode(into, std::bit_cast<std::int64_t>(member));
    return {data_member_chunk<F, object, Form>::address(), nullptr, 0};
  }
};

/// What cannot be mapped, each refused with a sentence.
template <class F, class Range>
struct map_check {
  static constexpr bool is_range = std::ranges::input_range<Range>;
  static constexpr bool takes_one = count_parameters<F>() == 1;
  static_assert(is_range,
                "pp: the second argument of map must be something to iterate over: a container, an array, a view, or "
                "std::ranges::subrange(first, last)");
  static_assert(takes_one,
                "pp: map calls the function with one argument, an element of the range (with a member pointer the "
                "element is the object): wrap the call in a captureless lambda that takes one");
  static constexpr bool good = is_range && takes_one;
};

/// Checked step by step, so that the first sentence is the only one.
template <class F, class Range>
struct mapping {
  using result = void;
  static constexpr bool good = false;
};
template <class F, class Range>
requires(map_check<F, Range>::good) struct mapping<F, Range> {
  using element = element_of<Range>;
  using call = call_of<F, element>;
  using result = std::decay_t<typename call::raw_result>;
  static constexpr bool good = call::good;
};

/// The sending half of one map: its function and its range, whatever comes back.
template <class F, class Range, class Form = each_result>
class chunk_source : public map_items {
  using how = chunk_call<F, element_of<Range>, Form>;

 public:
  /// `least`: items in a chunk, the last one excepted, also where one fills it.
  chunk_source(const F& function, Range& range, std::uint64_t least = 1)
      : total_(count(range)), least_(least), items_(range) {
    const use_scope noting(front_uses_);
    code_ = how::begin(function, front_);
  }
  const call_code& code() const { return code_; }

  std::uint64_t pack(payload& into, std::uint64_t first, std::uint64_t most, std::size_t most_bytes) override {
    into.append(front_.data(), front_.size());
    for (const auto& value : front_uses_) note_use(value);
    chunk_head_writer head(into, first);
    std::uint64_t count = items_.pack(into, std::max(most, least_), most_bytes);
    while (count != 0 && count < least_ && items_.pack(into, 1, most_bytes) != 0) ++count;
    head.close(count);
    return count;
  }
  std::optional<std::uint64_t> total() const override { return total_; }

 protected:
  ~chunk_source() = default;

  payload front_;             ///< what stands before the head of every chunk
  shared_values front_uses_;  ///< named in it
  call_code code_;

 private:
  /// To be asked first: a range that can be read only once need not know its size after that has begun.
  static std::optional<std::uint64_t> count(Range& range) {
    if constexpr (std::ranges::sized_range<Range>)
      return static_cast<std::uint64_t>(std::ranges::size(range));
    else
      return std::nullopt;
  }

  std::optional<std::uint64_t> total_;
  std::uint64_t least_;
  item_packer<typename how::parameter, Range> items_;
};

/// One map: its function, its range and its output.
template <class F, class Range, class Output>
class map_job final : public chunk_source<F, Range> {
 public:
  map_job(const F& function, Range& range, Output& output) : chunk_source<F, Range>(function, range), output_(output) {
    if (const auto total = this->total()) output_.expect(*total);
  }
  void unpack(const chunk_result& from) override {
    unpack_results<typename mapping<F, Range>::result>(from.data, from.size, from.count, output_);
  }

 private:
  Output& output_;
};

/// Runs it and gives what the output has to give.
template <class F, class Range, class Output>
auto map_into(client_core& core, const F& function, Range& range, Output output, const map_options& options) {
  map_job<F, Range, Output> job(function, range, output);
  run_map(core, job.code(), job, options);
  return output.take();
}

template <class F, class Range>
auto map_values(client_core& core, const F& function, Range& range, const map_options& options) {
  using what = mapping<F, Range>;
  if constexpr (!what::good) {
    return;  // a static_assert has said why
  } else if constexpr (std::is_void_v<typename what::result>) {
    map_into(core, function, range, no_output(), options);
  } else {
    return map_into(core, function, range, vector_output<typename what::result>(), options);
  }
}

/// Checks the output of a map.
template <class R, class Out>
struct output_check {
  static_assert(!std::is_void_v<R>,
                "pp: this function returns nothing, so map has no results to write: call map without an output");
  static constexpr bool is_iterator = std::output_iterator<std::remove_cvref_t<Out>, R>;
  static constexpr bool is_range = [] {
    if constexpr (is_iterator || std::is_void_v<R>)
      return false;
    else
      return std::ranges::output_range<Out, R> && std::ranges::borrowed_range<Out>;
  }();
  static_assert(std::is_void_v<R> || is_iterator || is_range,
                "pp: the third argument of map must be map_options, or where the results go: an output iterator or a "
                "range of elements that the function's results can be assigned to");
  static constexpr bool good = is_iterator || is_range;
};

template <class F, class Range, class Out>
auto map_to(client_core& core, const F& function, Range& range, Out&& out, const map_options& options) {
  using what = mapping<F, Range>;
  using result = typename what::result;
  if constexpr (!what::good) {
    return;
  } else if constexpr (!output_check<result, Out>::good) {
    return;
  } else if constexpr (output_check<result, Out>::is_iterator) {
    using iterator = std::remove_cvref_t<Out>;
    using output = iterator_output<result, iterator, std::unreachable_sentinel_t>;
    return map_into(core, function, range, output(std::forward<Out>(out), {}), options);
  } else {
    using output = iterator_output<result, std::ranges::iterator_t<Out>, std::ranges::sentinel_t<Out>>;
    return map_into(core, function, range, output(std::ranges::begin(out), std::ranges::end(out)), options);
  }
}

}  // namespace pp::detail
