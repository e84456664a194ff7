// client::reduce and map_reduce: chunks are folded in the workers, and what they gave is folded again until one value is left.
//
// Promises: operands keep the order of the range, so the function need only be associative. It runs in workers alone.
// Must not know: how chunks are cut, nodes.
#pragma once

#include <vector>

#include "pp/detail/chunk_forms.hpp"
#include "pp/detail/map.hpp"

namespace pp::detail {

template <class F, class Range, class G, class T>
class fold_job final : public chunk_source<F, Range, folded<G, T>> {
 public:
  fold_job(const F& function, Range& range, const G& fold, std::uint64_t least)
      : chunk_source<F, Range, folded<G, T>>(function, range, least) {
    if constexpr (std::is_pointer_v<G>) {
      if (fold == nullptr) throw_null_function();
      this->code_.function = reinterpret_cast<const void*>(fold);
    } else if constexpr (has_state<G>) {
      const use_scope noting(this->front_uses_);
      encode<G>(this->front_, fold);
    }
  }
  void unpack(const chunk_result& from) override { parts_.push_back(decode_value<T>(from.data, from.size)); }
  std::vector<T>& parts() { return parts_; }

 private:
  std::vector<T> parts_;
};

template <class F, class Range, class G, class T>
void fold_round(client_core& core, const F& function, Range& range, const G& fold, std::uint64_t least,
                std::vector<T>& into, const map_options& options) {
  fold_job<F, Range, G, T> job(function, range, fold, least);
  run_map(core, job.code(), job, options);
  for (auto&& part : job.parts()) into.push_back(std::move(part));
}

/// Each round leaves at most half: no chunk but the last has fewer than two.
template <class G, class T>
T fold_tree(client_core& core, const G& fold, std::vector<T> parts, const map_options& options) {
  while (parts.size() > 1) {
    std::vector<T> fewer;
    fold_round<as_is<T>>(core, as_is<T>(), parts, fold, 2, fewer, options);
    parts = std::move(fewer);
  }
  return std::move(parts.front());
}

template <class G, class T>
struct fold_check {
  static constexpr bool is_callable = std::is_invocable_v<G&, T, T>;
  static_assert(is_callable,
                "pp: the function given to reduce must take two values of the initial value's type: give the initial "
                "value the type of the results, for example std::string(\"\") or 0.0");
  static constexpr bool gives_value = [] {
    if constexpr (is_callable)
      return std::is_convertible_v<std::invoke_result_t<G&, T, T>, T>;
    else
      return false;
  }();
  static_assert(!is_callable || gives_value,
                "pp: the function given to reduce must return a value of the initial value's type");
  static constexpr bool is_function = std::is_pointer_v<G>;
  static constexpr bool can_be_sent = [] {
    if constexpr (is_function || !is_callable)
      return true;
    else
      return state_check<G>::good;
  }();
  static constexpr bool good = gives_value && can_be_sent && result_check<T>::good;
};

template <class F, class G, class Range, class T>
T map_reduce(client_core& core, const F& function, const G& fold, Range& range, T init, std::uint64_t least,
             const map_options& options) {
  std::vector<T> parts;
  parts.push_back(std::move(init));
  fold_round(core, function, range, fold, least, parts, options);
  return fold_tree(core, fold, std::move(parts), options);
}

template <class F, class G, class Range, class T>
auto checked_map_reduce(client_core& core, const F& function, const G& fold, Range& range, T init,
                        const map_options& options) {
  static_assert(!function_signature<F>::value || !std::is_pointer_v<G>,
                "pp: map_reduce can send one plain function only: wrap the second in a captureless lambda, "
                "[](T a, T b) { return f(a, b); }");
  using what = mapping<F, Range>;
  if constexpr (what::good && fold_check<G, T>::good) {
    static_assert(std::is_convertible_v<typename what::result, T>,
                  "pp: what the first function of map_reduce returns must convert to the initial value's type");
    return map_reduce(core, function, fold, range, std::move(init), 1, options);
  }
}

template <class G, class Range, class T>
auto reduce(client_core& core, const G& fold, Range& range, T init, const map_options& options) {
  if constexpr (fold_check<G, T>::good) {
    if constexpr (mapping<as_is<T>, Range>::good) {
      return map_reduce(core, as_is<T>(), fold, range, std::move(init), 2, options);
    }
  }
}

}  // namespace pp::detail
