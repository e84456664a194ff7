// client's algorithms that are one map with another output: unordered, without results, with outcomes, filtered.
//
// Must not know: how chunks are cut, nodes.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "pp/detail/chunk_forms.hpp"
#include "pp/detail/map.hpp"
#include "pp/outcome.hpp"

namespace pp::detail {

/// Results one by one, with their numbers, to whoever wants them.
template <class R, class Use>
class numbered_output {
 public:
  numbered_output(std::uint64_t first, Use& use) : next_(first), use_(use) {}
  void put(R&& value) { use_(next_++, std::move(value)); }
  void put_packed(const std::uint8_t* from, std::uint64_t count) {
    for (; count > 0; --count, from += sizeof(R)) {
      R value;
      std::memcpy(&value, from, sizeof value);
      put(std::move(value));
    }
  }

 private:
  std::uint64_t next_;
  Use& use_;
};

template <class F, class Range, class Use>
class numbered_job final : public chunk_source<F, Range> {
  using result = typename mapping<F, Range>::result;

 public:
  numbered_job(const F& function, Range& range, Use& use) : chunk_source<F, Range>(function, range), use_(use) {}
  void unpack(const chunk_result& from) override {
    numbered_output<result, Use> to(from.first, use_);
    unpack_results<result>(from.data, from.size, from.count, to);
  }

 private:
  Use& use_;
};

template <class R, class Use>
struct callback_check {
  static_assert(!std::is_void_v<R>, "pp: this function returns nothing to hand out: use for_each");
  static constexpr bool takes_result = [] {
    if constexpr (std::is_void_v<R>)
      return false;
    else
      return std::is_invocable_v<Use&, std::uint64_t, R>;
  }();
  static_assert(std::is_void_v<R> || takes_result,
                "pp: the third argument of map_unordered must be something to call with (std::uint64_t number, R "
                "result): the number of the element in the range, and what the function returned for it");
  static constexpr bool good = takes_result;
};

template <class F, class Range, class Use>
void map_unordered(client_core& core, const F& function, Range& range, Use& use, const map_options& options) {
  using what = mapping<F, Range>;
  if constexpr (what::good) {
    if constexpr (callback_check<typename what::result, Use>::good) {
      numbered_job<F, Range, Use> job(function, range, use);
      run_map(core, job.code(), job, options, {.is_ordered = false});
    }
  }
}

template <class F, class Range>
class silent_job final : public chunk_source<F, Range, no_result> {
 public:
  using chunk_source<F, Range, no_result>::chunk_source;
  void unpack(const chunk_result& from) override { byte_source(from.data, from.size).finish(); }
};

template <class F, class Range>
void for_each(client_core& core, const F& function, Range& range, const map_options& options) {
  if constexpr (mapping<F, Range>::good) {
    silent_job<F, Range> job(function, range);
    run_map(core, job.code(), job, options, {.is_ordered = false});
  }
}

/// What put_exception wrote, as the error of one item.
error take_exception(byte_source& from, std::uint64_t item, const job_handle& job);

/// Gives `sink(std::uint64_t number, outcome<R>)` what became of each element.
template <class F, class Range, class Sink>
class outcome_job final : public chunk_source<F, Range, each_outcome> {
  using result = typename mapping<F, Range>::result;

 public:
  outcome_job(const F& function, Range& range, Sink& sink)
      : chunk_source<F, Range, each_outcome>(function, range), sink_(sink) {}

  void unpack(const chunk_result& chunk) override {
    byte_source from(chunk.data, chunk.size);
    for (std::uint64_t i = 0; i < chunk.count; ++i) {
      std::optional<outcome<result>> one;
      with_our_errors([&] { take(from, chunk.first + i, *chunk.job, one); });
      sink_(chunk.first + i, std::move(*one));
    }
    from.finish();
  }
  bool take_failure(std::uint64_t first, std::uint64_t count, const error& why) override {
    for (; count > 0; --count) sink_(first++, outcome<result>(why));
    return true;
  }

 private:
  static void take(byte_source& from, std::uint64_t item, const job_handle& job, std::optional<outcome<result>>& to) {
    slot<bool> is_good;
    fill_part(from, is_good);
    if (!is_good.value()) {
      to.emplace(take_exception(from, item, job));
    } else if constexpr (std::is_void_v<result>) {
      to.emplace();
    } else {
      slot<result> value;
      fill_part(from, value);
      to.emplace(std::move(value.value()));
    }
  }

  Sink& sink_;
};

template <class F, class Range>
auto try_map(client_core& core, const F& function, Range& range, const map_options& options) {
  if constexpr (mapping<F, Range>::good) {
    std::vector<outcome<typename mapping<F, Range>::result>> all;
    auto sink = [&all](std::uint64_t, auto&& one) { all.push_back(std::move(one)); };
    outcome_job<F, Range, decltype(sink)> job(function, range, sink);
    run_map(core, job.code(), job, options);
    return all;
  }
}

template <class F, class Range, class Use>
void try_map_unordered(client_core& core, const F& function, Range& range, Use& use, const map_options& options) {
  using what = mapping<F, Range>;
  if constexpr (what::good) {
    static_assert(std::is_invocable_v<Use&, std::uint64_t, outcome<typename what::result>>,
                  "pp: the third argument of try_map_unordered must be something to call with (std::uint64_t number, "
                  "pp::outcome<R> what): the number of the element in the range, and what became of it");
    outcome_job<F, Range, Use> job(function, range, use);
    run_map(core, job.code(), job, options, {.is_ordered = false});
  }
}

/// Takes the verdicts, and walks the range a second time for the elements they are about.
template <class Range>
class filter_output {
 public:
  explicit filter_output(Range& range) : at_(std::ranges::begin(range)) {}
  void expect(std::uint64_t) {}
  void put(bool is_wanted) {
    if (is_wanted) kept_.emplace_back(*at_);
    ++at_;
  }
  void put_packed(const std::uint8_t* from, std::uint64_t count) {
    for (; count > 0; --count) put(*from++ != 0);
  }
  std::vector<std::ranges::range_value_t<Range>> take() { return std::move(kept_); }

 private:
  std::ranges::iterator_t<Range> at_;
  std::vector<std::ranges::range_value_t<Range>> kept_;
};

template <class F, class Range>
struct filter_check {
  static constexpr bool is_verdict = std::is_same_v<typename mapping<F, Range>::result, bool>;
  static constexpr bool is_forward = std::ranges::forward_range<Range>;
  static_assert(is_verdict, "pp: the function given to filter must return bool: true for the elements to keep");
  static_assert(is_forward,
                "pp: filter needs a range that can be read twice, because the elements it keeps are taken from there: "
                "put the elements into a std::vector first");
  static constexpr bool good = is_verdict && is_forward;
};

template <class F, class Range>
auto filter(client_core& core, const F& function, Range& range, const map_options& options) {
  if constexpr (mapping<F, Range>::good) {
    if constexpr (filter_check<F, Range>::good) {
      return map_into(core, function, range, filter_output<Range>(range), options);
    }
  }
}

}  // namespace pp::detail
