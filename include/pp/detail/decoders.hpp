// The decoders: how each kind of callable is called in the worker. See thunk.hpp for what a decoder is.
//
// The bytes of a call are its arguments in order, converted to the parameter types; in front of them stands what the
// callable needs beside its address: a member's adjustment or offset and then the object, or the state of a function
// object. Promises: changes that a call makes to the object, the state or the arguments stay in the worker.
// Must not know: where the bytes come from.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <functional>

#include "pp/detail/signature.hpp"
#include "pp/detail/thunk.hpp"

namespace pp::detail {

/// No function lies below this address on Linux (vm.mmap_min_addr), and no virtual table is this long.
inline constexpr std::uintptr_t lowest_address = 65536;

/// A pointer to a member function, taken apart as the Itanium C++ ABI lays it out. What is called is an address, or 1 +
/// an offset in the virtual table.
struct member_pointer_parts {
  std::uintptr_t target = 0;
  std::int64_t adjustment = 0;
  bool is_virtual = false;
};

struct member_pointer_words {
  std::uintptr_t pointer;
  std::ptrdiff_t adjustment;
};

template <class M>
member_pointer_parts take_apart(M member) {
  static_assert(sizeof(M) == sizeof(member_pointer_words),
                "pp: this compiler lays out member pointers in an unknown way");
  member_pointer_words words;
  std::memcpy(&words, &member, sizeof words);
#if defined(__aarch64__) || defined(__arm__)
  const bool is_virtual = (words.adjustment & 1) != 0;
  return {words.pointer + (is_virtual ? 1 : 0), words.adjustment >> 1, is_virtual};
#else
  return {words.pointer, words.adjustment, (words.pointer & 1) != 0};
#endif
}

template <class M>
M put_together(std::uintptr_t target, std::int64_t adjustment) {
#if defined(__aarch64__) || defined(__arm__)
  const bool is_virtual = (target & 1) != 0;
  const member_pointer_words words{target - (is_virtual ? 1 : 0), adjustment * 2 + (is_virtual ? 1 : 0)};
#else
  const member_pointer_words words{target, static_cast<std::ptrdiff_t>(adjustment)};
#endif
  M member;
  std::memcpy(&member, &words, sizeof member);
  return member;
}

/// Decodes parameters P and calls `use` with them.
template <class... P, class Use>
void run_with(const std::uint8_t* in, std::size_t in_size, Use&& use) {
  argument_slots<P...> slots;
  decode_arguments<decoder_for<std::remove_cvref_t<P>...>>(in, in_size, [&](auto& source) { slots.fill(source); });
  slots.pass_to(std::forward<Use>(use));
}

template <class Plain>
class function_decoder;
template <class R, class... P>
class function_decoder<R(P...)> : public in_table<function_decoder<R(P...)>> {
 public:
  static void run(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if (function < lowest_address) throw bad_arguments("pp: the call names no function");
    const auto address = reinterpret_cast<R (*)(P...)>(function);
    run_with<P...>(in, in_size, [&](P&&... arguments) {
      encode_result(out, [&]() -> R { return address(static_cast<P&&>(arguments)...); });
    });
  }
};

template <class M, class Object, class Parameters>
class member_decoder;
template <class M, class Object, class... P>
class member_decoder<M, Object, type_list<P...>> : public in_table<member_decoder<M, Object, type_list<P...>>> {
  using signature = member_signature<M>;
  using passed = typename signature::template passed_object<Object>;

 public:
  static void run(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if (function < lowest_address && function % 2 == 0) throw bad_arguments("pp: the call names no member function");
    run_with<std::int64_t, Object&, P...>(in, in_size, [&](std::int64_t adjustment, Object& object, P&&... arguments) {
      const M member = put_together<M>(function, adjustment);
      encode_result(out, [&]() -> typename signature::result {
        return std::invoke(member, static_cast<passed>(object), static_cast<P&&>(arguments)...);
      });
    });
  }
};

template <class M, class Object>
class data_member_decoder : public in_table<data_member_decoder<M, Object>> {
  using value = typename data_member<M>::member;
  using owner = typename data_member<M>::object;

 public:
  static void run(std::uintptr_t, const std::uint8_t* in, std::size_t in_size, payload& out) {
    run_with<std::int64_t, Object&>(in, in_size, [&](std::int64_t offset, Object& object) {
      if (offset < 0 || static_cast<std::uint64_t>(offset) + sizeof(value) > sizeof(owner)) {
        throw bad_arguments("pp: the call names no member of its object");
      }
      encode_result(out, [&]() -> const value& { return std::invoke(std::bit_cast<M>(offset), object); });
    });
  }
};

template <class F>
inline constexpr bool has_state = !std::is_empty_v<F>;

/// A function object without state is made anew; C++20 lets lambdas without capture list be default constructed, the
/// others (with one that captured nothing) have no bytes that could differ.
template <class F>
F make_stateless() {
  if constexpr (std::is_default_constructible_v<F>) {
    return F();
  } else {
    return std::bit_cast<F>(std::byte{});
  }
}

/// How a function object is handed over to its own call operator.
template <class F>
struct passed_function {
  using type = F&;
};
template <has_one_call_operator F>
struct passed_function<F> {
  using type = typename member_signature<decltype(&F::operator())>::template passed_object<F>;
};

template <class F, class Parameters>
class object_decoder;
template <class F, class... P>
class object_decoder<F, type_list<P...>> : public in_table<object_decoder<F, type_list<P...>>> {
  using passed = typename passed_function<F>::type;

 public:
  static void run(std::uintptr_t, const std::uint8_t* in, std::size_t in_size, payload& out) {
    if constexpr (has_state<F>) {
      run_with<F&, P...>(in, in_size,
                         [&](F& function, P&&... arguments) { call(out, function, static_cast<P&&>(arguments)...); });
    } else {
      run_with<P...>(in, in_size, [&](P&&... arguments) {
        F function = make_stateless<F>();
        call(out, function, static_cast<P&&>(arguments)...);
      });
    }
  }

 private:
  static void call(payload& out, F& function, P&&... arguments) {
    encode_result(out, [&]() -> std::invoke_result_t<passed, P&&...> {
      return std::invoke(static_cast<passed>(function), static_cast<P&&>(arguments)...);
    });
  }
};

}  // namespace pp::detail
