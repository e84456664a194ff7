// The decoders of chunks: several items of a map that travel as one job. See thunk.hpp for what a decoder is.
//
// The bytes of a chunk: what the callable needs beside its address (as in decoders.hpp: a member's adjustment or offset, or
// the state of a function object), the number of the first item within the map (8 bytes), how many follow (8), and the
// items, converted to the parameter type. Numbers and enumerations are packed at their own width; any other value stands as
// it would alone in a job. Where items take fewer bytes than there are items, zeros make up for it at the end, so that no
// count can be larger than what is left. The results stand one behind the other in the same form, without a count.
// Promises: as in decoders.hpp, and no item sees what the call for another changed. The first item that throws ends its
// chunk with an item_failure. Must not know: where the bytes come from, how chunks are cut.
#pragma once

#include "pp/detail/decoders.hpp"

namespace pp::detail {

/// Types whose values lie side by side in a chunk.
template <class T>
inline constexpr bool is_packed = std::is_arithmetic_v<T> || std::is_enum_v<T>;

struct chunk_head {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

inline chunk_head read_chunk_head(byte_source& from) {
  chunk_head head;
  from.get(&head.first, sizeof head.first);
  head.count = from.announced();
  return head;
}

/// `count` packed values of T, each of them one that T can have.
template <class T>
const std::uint8_t* take_packed(byte_source& from, std::uint64_t count) {
  const std::uint8_t* const values = from.take_array(count, sizeof(T));
  if constexpr (std::is_same_v<T, bool>) {
    const auto is_wrong = [](std::uint8_t byte) { return byte > 1; };
    if (std::any_of(values, values + count, is_wrong)) throw_bad_message("a bool is neither true nor false");
  }
  return values;
}

/// A loop without calls, checks or branches of ours: what one item costs here, a map of millions pays as often.
template <class P, class R, class Call>
void run_packed(chunk_head head, const std::uint8_t* from, std::uint8_t* to, Call& call) {
  using given = std::remove_cvref_t<P>;
  using result = std::decay_t<R>;
  std::uint64_t i = 0;
  try {
    for (; i < head.count; ++i) {
      given item;
      std::memcpy(&item, from + i * sizeof(given), sizeof(given));
      const result value = call(static_cast<P&&>(item));
      std::memcpy(to + i * sizeof(result), &value, sizeof(result));
    }
  } catch (...) {
    throw item_failure(head.first + i, std::current_exception());
  }
}

/// `use` calls and encodes.
template <class P, class Use>
void run_values(chunk_head head, byte_source& from, payload& out, Use& use) {
  std::uint64_t i = 0;
  try {
    for (; i < head.count; ++i) {
      slot<std::remove_cvref_t<P>> item;
      with_bad_arguments([&] { fill_part(from, item); });
      use(out, static_cast<P&&>(item.value()));
    }
  } catch (const bad_arguments&) {
    throw;
  } catch (const oversized_result&) {
    throw oversized_result(head.count);
  } catch (...) {
    throw item_failure(head.first + i, std::current_exception());
  }
  with_bad_arguments([&] { from.finish(); });
}

/// The items of a chunk, whose head comes next; `call` takes a P and gives an R.
template <class P, class R, class Call>
void run_chunk(byte_source& from, payload& out, Call&& call) {
  using given = std::remove_cvref_t<P>;
  chunk_head head;
  with_bad_arguments([&] { head = read_chunk_head(from); });
  if constexpr (is_packed<given> && is_packed<std::decay_t<R>>) {
    const std::uint8_t* items = nullptr;
    with_bad_arguments([&] {
      items = take_packed<given>(from, head.count);
      from.finish();
    });
    run_packed<P, R>(head, items, out.extend(head.count * sizeof(std::decay_t<R>)), call);
  } else {
    const auto use = [&call](payload& to, P&& item) {
      encode_result(to, [&]() -> R { return call(static_cast<P&&>(item)); });
    };
    run_values<P>(head, from, out, use);
  }
}

/// What a chunk gives back, one class per form (others in chunk_forms.hpp): here, the result of every item.
struct each_result {
  template <class P, class R, class Call>
  static void run(std::uintptr_t, byte_source& from, payload& out, Call&& call) {
    run_chunk<P, R>(from, out, std::forward<Call>(call));
  }
};

template <class Plain, class Form = each_result>
class function_chunk;
template <class R, class P, class Form>
class function_chunk<R(P), Form> : public in_table<function_chunk<R(P), Form>> {
 public:
  static void run(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if (function < lowest_address) throw bad_arguments("pp: the call names no function");
    const auto address = reinterpret_cast<R (*)(P)>(function);
    byte_source from(in, in_size);
    Form::template run<P, R>(0, from, out, [address](P&& item) -> R { return address(static_cast<P&&>(item)); });
  }
};

template <class M, class Object, class Form = each_result>
class member_chunk : public in_table<member_chunk<M, Object, Form>> {
  using signature = member_signature<M>;
  using passed = typename signature::template passed_object<Object>;
  using result = typename signature::result;

 public:
  static void run(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if (function < lowest_address && function % 2 == 0) throw bad_arguments("pp: the call names no member function");
    byte_source from(in, in_size);
    std::int64_t adjustment = 0;
    with_bad_arguments([&] { from.get(&adjustment, sizeof adjustment); });
    const M member = put_together<M>(function, adjustment);
    Form::template run<Object&, result>(
        0, from, out, [member](Object& object) -> result { return std::invoke(member, static_cast<passed>(object)); });
  }
};

template <class M, class Object, class Form = each_result>
class data_member_chunk : public in_table<data_member_chunk<M, Object, Form>> {
  using value = typename data_member<M>::member;
  using owner = typename data_member<M>::object;

 public:
  static void run(std::uintptr_t, const std::uint8_t* in, std::size_t in_size, payload& out) {
    byte_source from(in, in_size);
    std::int64_t offset = 0;
    with_bad_arguments([&] { from.get(&offset, sizeof offset); });
    const auto at = static_cast<std::uint64_t>(offset);
    if (offset < 0 || at + sizeof(value) > sizeof(owner) || at % alignof(value) != 0) {
      throw bad_arguments("pp: the call names no member of its object");
    }
    Form::template run<Object&, const value&>(0, from, out, [offset](Object& object) -> const value& {
      return std::invoke(std::bit_cast<M>(offset), object);
    });
  }
};

/// True if a call cannot change the function object, so that one serves all items of a chunk.
template <class F, class P>
inline constexpr bool is_const_callable = false;
template <class F, class P>
requires std::is_invocable_v<const F&, P&&>
inline constexpr bool is_const_callable<F, P> =
    std::is_same_v<std::invoke_result_t<const F&, P&&>, std::invoke_result_t<typename passed_function<F>::type, P&&>>;

template <class F, class P, class Form = each_result>
class object_chunk : public in_table<object_chunk<F, P, Form>> {
  using passed = typename passed_function<F>::type;
  using result = std::invoke_result_t<passed, P&&>;

 public:
  static void run(std::uintptr_t number, const std::uint8_t* in, std::size_t in_size, payload& out) {
    byte_source from(in, in_size);
    if constexpr (!has_state<F>) {
      F function = make_stateless<F>();
      Form::template run<P, result>(number, from, out, [&function](P&& item) -> result {
        return std::invoke(static_cast<passed>(function), static_cast<P&&>(item));
      });
    } else if constexpr (is_const_callable<F, P>) {
      slot<F> state;
      with_bad_arguments([&] { fill_part(from, state); });
      const F& function = state.value();
      Form::template run<P, result>(
          number, from, out, [&function](P&& item) -> result { return std::invoke(function, static_cast<P&&>(item)); });
    } else if constexpr (std::is_same_v<Form, each_result>) {
      run_with_fresh_state(from, out);
    } else {
      run_form_with_fresh_state(number, from, out);
    }
  }

 private:
  static void run_form_with_fresh_state(std::uintptr_t number, byte_source& from, payload& out) {
    const byte_source state = from;
    with_bad_arguments([&] {
      slot<F> passed_over;
      fill_part(from, passed_over);
    });
    Form::template run<P, std::decay_t<result>>(number, from, out, [&state](P&& item) -> std::decay_t<result> {
      slot<F> own;
      byte_source again = state;
      fill_part(again, own);
      return std::invoke(static_cast<passed>(own.value()), static_cast<P&&>(item));
    });
  }
  /// The call may change the state: each item gets it as it came.
  static void run_with_fresh_state(byte_source& from, payload& out) {
    const byte_source state = from;
    chunk_head head;
    with_bad_arguments([&] {
      slot<F> passed_over;
      fill_part(from, passed_over);
      head = read_chunk_head(from);
    });
    const auto use = [&state](payload& to, P&& item) {
      slot<F> own;
      byte_source again = state;
      fill_part(again, own);
      encode_result(to,
                    [&]() -> result { return std::invoke(static_cast<passed>(own.value()), static_cast<P&&>(item)); });
    };
    run_values<P>(head, from, out, use);
  }
};

}  // namespace pp::detail
