// What a chunk can give back besides the result of every item: nothing, an outcome for every item, or all results folded
// into one value.
//
// Promises: as in chunk_decoders.hpp; where outcomes are wanted, an item that throws does not keep the others from running.
// Must not know: how chunks are cut.
#pragma once

#include <optional>

#include "pp/detail/chunk_decoders.hpp"

namespace pp::detail {

/// The function is called; what it returns stays in the worker.
struct no_result {
  template <class P, class R, class Call>
  static void run(std::uintptr_t, byte_source& from, payload& out, Call&& call) {
    run_chunk<P, void>(from, out, [&call](P&& item) { static_cast<void>(call(static_cast<P&&>(item))); });
  }
};

/// Appends the type, text and causes of an exception.
void put_exception(payload& out, const std::exception_ptr& thrown);

/// For each item a byte, 1 and its result, or 0 and what it threw.
struct each_outcome {
  template <class P, class R, class Call>
  static void run(std::uintptr_t, byte_source& from, payload& out, Call&& call) {
    chunk_head head;
    with_bad_arguments([&] { head = read_chunk_head(from); });
    payload result;  // of an item that may throw half way
    const auto use = [&](payload& to, P&& item) {
      result.clear();
      const bool is_good = run_one<P, R>(result, static_cast<P&&>(item), call);
      encode(to, is_good);
      to.append(result.data(), result.size());
    };
    run_values<P>(head, from, out, use);
  }

 private:
  template <class P, class R, class Call>
  static bool run_one(payload& result, P&& item, Call& call) {
    try {
      encode_result(result, [&]() -> R { return call(static_cast<P&&>(item)); });
      return true;
    } catch (const oversized_result&) {
      throw;
    } catch (const std::exception&) {
      result.clear();
      put_exception(result, std::current_exception());
    } catch (...) {
      result.clear();
      put_exception(result, std::current_exception());
    }
    return false;
  }
};

/// The function that folds: its state follows the callable's own, or it is the function the call names.
template <class G>
class folder {
 public:
  folder(std::uintptr_t, byte_source& from) {
    if constexpr (has_state<G>) {
      with_bad_arguments([&] { fill_part(from, state_); });
    }
  }
  template <class T>
  T operator()(T&& left, T&& right) {
    if constexpr (has_state<G>)
      return static_cast<T>(std::invoke(state_.value(), std::move(left), std::move(right)));
    else
      return static_cast<T>(std::invoke(make_stateless<G>(), std::move(left), std::move(right)));
  }

 private:
  struct nothing {};
  [[no_unique_address]] std::conditional_t<has_state<G>, slot<G>, nothing> state_;
};
template <class G>
requires std::is_pointer_v<G>
class folder<G> {
 public:
  folder(std::uintptr_t function, byte_source&) : call_(reinterpret_cast<G>(function)) {
    if (function < lowest_address) throw bad_arguments("pp: the call names no function");
  }
  template <class T>
  T operator()(T&& left, T&& right) {
    return static_cast<T>(call_(std::move(left), std::move(right)));
  }

 private:
  G call_;
};

/// All results as one T, folded from left to right.
template <class G, class T>
struct folded {
  template <class P, class R, class Call>
  static void run(std::uintptr_t function, byte_source& from, payload& out, Call&& call) {
    folder<G> fold(function, from);
    std::optional<T> all;
    chunk_head head;
    with_bad_arguments([&] { head = read_chunk_head(from); });
    const auto use = [&](payload&, P&& item) {
      T value = static_cast<T>(call(static_cast<P&&>(item)));
      if (all)
        all = fold(std::move(*all), std::move(value));
      else
        all.emplace(std::move(value));
    };
    run_values<P>(head, from, out, use);
    if (!all) throw bad_arguments("pp: the call has nothing to fold");
    encode_result(out, [&]() -> T&& { return std::move(*all); });
  }
};

/// The function of a map that only folds.
template <class T>
struct as_is {
  T operator()(T value) const { return value; }
};

}  // namespace pp::detail
