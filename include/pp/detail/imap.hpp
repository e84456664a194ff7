// client::imap's range: results that are computed while they are read.
//
// Promises: no more than the given number of items are sent and not read at any time; giving it up cancels them.
// Threads: one at a time. Must not know: how chunks are cut, nodes.
#pragma once

#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <utility>

#include "pp/detail/algorithms.hpp"

namespace pp::detail {

/// A range of the caller's is used where it is, a temporary is kept.
template <class F, class Range, class Value, template <class, class, class> class Items>
class lazy_job {
 public:
  lazy_job(client_core& core, const F& function, Range&& range, const map_options& options, const map_shape& shape)
      : range_(std::forward<Range>(range)),
        keep_{ready_},
        items_(function, range_, keep_),
        run_(core, items_.code(), items_, options, shape) {}

  /// Nothing at the end.
  bool has_next() {
    while (ready_.empty()) {
      if (!run_.step()) return false;
    }
    return true;
  }
  Value& front() { return ready_.front(); }
  void pop() { ready_.pop_front(); }

 private:
  struct keeper {
    std::deque<Value>& ready;
    template <class R>
    void operator()(std::uint64_t number, R&& value) {
      if constexpr (std::is_constructible_v<Value, R>)
        ready.push_back(std::forward<R>(value));
      else
        ready.emplace_back(number, std::forward<R>(value));
    }
  };

  Range range_;
  std::deque<Value> ready_;
  keeper keep_;
  Items<F, std::remove_reference_t<Range>, keeper> items_;
  map_run run_;
};

/// An input range; movable. Reading it blocks until there is a result, and throws what client::map throws.
template <class F, class Range, class Value, template <class, class, class> class Items = numbered_job>
class [[nodiscard]] lazy_results {
  using job = lazy_job<F, Range, Value, Items>;

 public:
  class iterator {
   public:
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    iterator() = default;
    explicit iterator(job* from) : from_(from) {}
    Value& operator*() const { return static_cast<void>(from_->has_next()), from_->front(); }
    Value* operator->() const { return &**this; }
    iterator& operator++() { return from_->pop(), *this; }
    void operator++(int) { from_->pop(); }
    friend bool operator==(const iterator& a, std::default_sentinel_t) { return !a.from_->has_next(); }

   private:
    job* from_ = nullptr;
  };

  explicit lazy_results(std::unique_ptr<job> from) : job_(std::move(from)) {}
  /// Where reading has come to.
  iterator begin() const { return iterator(job_.get()); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<job> job_;
};

template <bool IsOrdered, class F, class Range>
auto imap(client_core& core, const F& function, Range&& range, std::size_t most, const map_options& options) {
  using what = mapping<F, std::remove_reference_t<Range>>;
  if constexpr (what::good) {
    using result = typename what::result;
    static_assert(!std::is_void_v<result>, "pp: this function returns nothing to hand out: use for_each");
    if constexpr (!std::is_void_v<result>) {
      using value = std::conditional_t<IsOrdered, result, std::pair<std::uint64_t, result>>;
      using job = lazy_job<F, Range, value, numbered_job>;
      if (most == 0) throw error(errc::bad_option, "imap: at least 1 item must be allowed to be under way");
      const map_shape shape{.is_ordered = IsOrdered, .most_items = most};
      return lazy_results<F, Range, value>(
          std::make_unique<job>(core, function, std::forward<Range>(range), options, shape));
    }
  }
}

template <bool IsOrdered, class F, class Range>
auto try_imap(client_core& core, const F& function, Range&& range, std::size_t most, const map_options& options) {
  using what = mapping<F, std::remove_reference_t<Range>>;
  if constexpr (what::good) {
    using one = outcome<typename what::result>;
    using value = std::conditional_t<IsOrdered, one, std::pair<std::uint64_t, one>>;
    using job = lazy_job<F, Range, value, outcome_job>;
    if (most == 0) throw error(errc::bad_option, "try_imap: at least 1 item must be allowed to be under way");
    const map_shape shape{.is_ordered = IsOrdered, .most_items = most};
    return lazy_results<F, Range, value, outcome_job>(
        std::make_unique<job>(core, function, std::forward<Range>(range), options, shape));
  }
}

}  // namespace pp::detail
