// One decoder per function signature: bytes in, call, bytes out; and the table of all of them.
//
// A decoder is a static function of a class that the compiler makes for a signature (functions) or for a type (lambdas,
// function objects, member pointers). Naming it in a call enters it in the table before main, in every process of the
// same program, so a worker can refuse any other address. That is what makes registration impossible to forget.
// Promises: entering allocates nothing and cannot fail; entries are never removed (a shared object with decoders must
// not be unloaded: GCC marks it so by itself). Threads: any, since dlopen may run in one.
// Must not know: where the bytes come from.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pp/detail/archive.hpp"

namespace pp::detail {

/// Decodes arguments, calls, appends the encoded value to `out`. `function` is an address, or for virtual members 1 +
/// the offset in the virtual table (odd, which no function's address is), or 0. Throws bad_arguments, oversized_result,
/// or what the called function throws.
using thunk = void (*)(std::uintptr_t function, const std::uint8_t* in, std::size_t in_size, payload& out);

/// The bytes of a call were not the arguments of its function. Only decoders throw this, never a job's own code.
class bad_arguments : public error {
 public:
  explicit bad_arguments(const std::string& why) : error(errc::bad_message, why) {}
};

/// What a job gave back is more than one message can carry.
class oversized_result : public std::length_error {
 public:
  oversized_result()
      : std::length_error("the job's result is larger than 1 GiB, the most that one job may give back: split the job") {
  }
  /// Of `items` items of a map that travel together.
  explicit oversized_result(std::uint64_t items)
      : std::length_error("the results of " + std::to_string(items) +
                          " items of a map are together larger than 1 GiB, the most that one job may give back: set "
                          "map_options::chunk to fewer items") {}
};

struct thunk_entry;
// Visible everywhere, so that a program and its shared objects, each built with its own flags, fill one table.
[[gnu::visibility("default")]] inline constinit std::atomic<const thunk_entry*> thunk_table{nullptr};

struct thunk_entry {
  explicit thunk_entry(thunk t) noexcept : address(t), next(thunk_table.load(std::memory_order_relaxed)) {
    while (!thunk_table.compare_exchange_weak(next, this, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  thunk_entry(const thunk_entry&) = delete;
  thunk_entry& operator=(const thunk_entry&) = delete;

  const thunk address;
  const thunk_entry* next;
};

/// The entry of one decoder class. A class of its own because GCC makes a `used` member together with its class.
template <class Decoder>
struct entry_of {
  [[gnu::used]] static inline const thunk_entry entry{&Decoder::run};
};

/// Base of every decoder class; `Decoder::run` is the decoder.
template <class Decoder>
class in_table {
 public:
  static thunk address() {
    // Naming the entry is what makes the compiler emit it and the code before main that links it in.
    static_cast<void>(&entry_of<Decoder>::entry);
    return &Decoder::run;
  }
};

/// Item number `item` of a map threw `cause`, which is null for what did not come from C++. Only decoders throw this.
class item_failure {
 public:
  item_failure(std::uint64_t item, std::exception_ptr cause) noexcept : item_(item), cause_(std::move(cause)) {}
  std::uint64_t item() const noexcept { return item_; }
  const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  std::uint64_t item_;
  std::exception_ptr cause_;
};

// The steps of every decoder.

/// Runs what decodes arguments; whatever is wrong with the bytes becomes bad_arguments.
template <class Decode>
void with_bad_arguments(Decode&& decode_them) {
  try {
    decode_them();
  } catch (const cereal::Exception& e) {
    throw bad_arguments(std::string("pp: the arguments cannot be decoded: ") + e.what());
  } catch (const error& e) {
    if (e.code() != errc::bad_message) throw;
    throw bad_arguments(e.what());
  }
}

/// Runs `fill` on the arguments, which must be all of the bytes.
template <class Source, class Fill>
void decode_arguments(const std::uint8_t* in, std::size_t in_size, Fill&& fill) {
  with_bad_arguments([&] {
    Source source(in, in_size);
    fill(source);
    source.finish();
  });
}

/// Calls and encodes; a result is encoded as its decayed type.
template <class Call>
void encode_result(payload& out, Call&& call) {
  using result = std::invoke_result_t<Call>;
  if constexpr (std::is_void_v<result>) {
    call();
  } else {
    decltype(auto) value = call();
    try {
      encode<std::decay_t<result>>(out, value);
    } catch (const payload_too_large&) {
      throw oversized_result();
    }
  }
}

/// The decoded arguments of parameters P, each handed over exactly as the parameter wants it.
template <class... P>
class argument_slots {
 public:
  template <class Source>
  void fill(Source& from) {
    std::apply([&](auto&... slot) { (slot.fill(from), ...); }, slots_);
  }
  template <class Function>
  decltype(auto) pass_to(Function&& function) {
    return pass(std::forward<Function>(function), std::index_sequence_for<P...>());
  }

 private:
  template <class Function, std::size_t... I>
  decltype(auto) pass(Function&& function, std::index_sequence<I...>) {
    return function(static_cast<P&&>(std::get<I>(slots_).value())...);
  }

  std::tuple<slot<std::remove_cvref_t<P>>...> slots_;
};

}  // namespace pp::detail
