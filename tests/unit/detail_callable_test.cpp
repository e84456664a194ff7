// Every kind of callable, through its encoded form and its decoder and back, as a worker would do it.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "pp/detail/callable.hpp"
#include "worker/thunks.hpp"

namespace {

// Callables as users write them, outside any library's namespace.

std::uint64_t half(std::uint64_t n) { return n / 2; }
std::string join(const std::string& a, std::string&& b, std::string c) noexcept { return a + b + c; }
void do_nothing() {}
[[noreturn]] void fail(const std::string& why) { throw std::runtime_error(why); }
int overloaded(int) { return 1; }
int overloaded(double) { return 2; }
template <class T>
T twice(T value) {
  return value + value;
}
const std::string& longer(const std::string& a, const std::string& b) { return a.size() > b.size() ? a : b; }
std::unique_ptr<int> pass_on(std::unique_ptr<int> p) { return p; }
extern "C" int c_function(int a) { return a + 100; }

struct shape {
  virtual ~shape() = default;
  virtual int corners(int more) const { return more; }
  virtual int sides() { return 1; }
  int tag = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(tag);
  }
};
struct square : shape {
  int corners(int more) const override { return 4 + more + tag; }
  int sides() override { return 4; }
};
struct other_base {
  virtual ~other_base() = default;
  virtual int second() const { return offset + 1; }
  int offset = 41;
};
struct both : shape, other_base {
  int second() const override { return offset + 2; }
  int plain(int a, const std::string& b) { return a + static_cast<int>(b.size()) + offset; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(tag, offset);
  }
};
struct first_part {
  int a = 1;
};
struct second_part {
  int b = 2;
  int get() const { return b; }
};
struct two_parts : first_part, second_part {
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a, b);
  }
};
struct counter {
  int value = 0;
  static int origin(int a) { return -a; }
  int next() { return ++value; }
  int get() const noexcept { return value; }
  int on_lvalue() & { return value + 10; }
  int on_rvalue() && { return value + 20; }
  int on_const_rvalue() const&& noexcept { return value + 30; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};
struct scale {
  double factor = 1;
  double operator()(double x) const { return factor * x; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(factor);
  }
};
struct empty_function {
  int operator()(int a) { return a + 1; }
};
struct two_operators {
  std::string operator()(int) const { return "int"; }
  std::string operator()(const std::string&) const { return "string"; }
};

}  // namespace

namespace pp::detail {
namespace {

/// Encodes, looks the decoder up in the table, calls it, decodes: all that two processes do, in one.
template <class F, class... Args>
auto run_call(F&& f, Args&&... args) {
  payload in, out;
  const call_code code = prepare(std::forward<F>(f), in, std::forward<Args>(args)...);
  EXPECT_TRUE(worker::is_registered_thunk(reinterpret_cast<const void*>(code.decoder)));
  const auto function =
      code.function != nullptr ? reinterpret_cast<std::uintptr_t>(code.function) : code.virtual_offset;
  code.decoder(function, in.data(), in.size(), out);
  return decode_value<result_of<F, Args...>>(out.data(), out.size());
}

TEST(Callable, RunsFunctions) {
  EXPECT_EQ(run_call(half, 10), 5U);
  EXPECT_EQ(run_call(&half, 10), 5U);
  EXPECT_EQ(run_call(c_function, 1), 101);
  EXPECT_EQ(run_call(counter::origin, 3), -3);
  EXPECT_EQ(run_call(static_cast<int (*)(double)>(overloaded), 1), 2);
  EXPECT_EQ(run_call(static_cast<int (*)(int)>(overloaded), 1), 1);
  EXPECT_EQ(run_call(twice<std::string>, "ab"), "abab");
  EXPECT_EQ(run_call(longer, "a", "bc"), "bc");
  run_call(do_nothing);
}

TEST(Callable, ConvertsArgumentsToTheParameterTypesBeforeEncoding) {
  payload in;
  prepare(half, in, 7);  // an int, where the function takes 64 bits
  EXPECT_EQ(in.size(), sizeof(std::uint64_t));
  EXPECT_EQ(run_call(half, 3.9), 1U);
  EXPECT_EQ(run_call(join, "a", "b", std::string("c")), "abc");
}

TEST(Callable, TakesValuesReferencesAndMoveOnlyArguments) {
  const std::string lasting = "x";
  EXPECT_EQ(run_call(join, lasting, lasting, lasting), "xxx");
  EXPECT_EQ(*run_call(pass_on, std::make_unique<int>(5)), 5);
  const auto kept = std::make_unique<int>(6);
  EXPECT_EQ(*run_call(pass_on, kept), 6);  // only read, since it is encoded
  EXPECT_EQ(*kept, 6);
}

TEST(Callable, RunsCapturelessLambdas) {
  EXPECT_EQ(run_call([](int a, long b) { return a + b; }, 1, 2), 3);
  EXPECT_EQ(run_call([](auto a, const auto& b) { return a * b; }, 2, 2.5), 5.0);
  EXPECT_EQ(run_call([](auto&&... all) { return (all + ...); }, 1, 2, 3), 6);
  EXPECT_EQ(run_call([](int a) mutable noexcept { return ++a; }, 1), 2);
  EXPECT_EQ(run_call([] { return half(8); }), 4U);
  EXPECT_EQ(
      run_call([](const std::vector<int>& v) { return std::accumulate(v.begin(), v.end(), 0); }, std::vector{1, 2, 3}),
      6);
  EXPECT_EQ(run_call([=](double x) { return std::sqrt(x); }, 9), 3.0);  // a capture list that captured nothing
  const auto named = [](std::string s) { return s + "!"; };
  EXPECT_EQ(run_call(named, "hi"), "hi!");
  EXPECT_EQ(run_call(
                +[](int a) { return a; }, 4),
            4);
}

TEST(Callable, RunsFunctionObjects) {
  EXPECT_EQ(run_call(scale{2.5}, 2), 5.0);
  EXPECT_EQ(run_call(empty_function(), 1), 2);
  EXPECT_EQ(run_call(std::plus<>(), 1, 2.5), 3.5);
  EXPECT_EQ(run_call(std::plus<int>(), 1, 2.5), 3);
  EXPECT_EQ(run_call(two_operators(), 1), "int");
  EXPECT_EQ(run_call(two_operators(), std::string("s")), "string");
}

TEST(Callable, RunsMemberFunctionsWithEveryQualifier) {
  const counter five{5};
  EXPECT_EQ(run_call(&counter::next, five), 6);
  EXPECT_EQ(five.value, 5);  // the job had a copy
  EXPECT_EQ(run_call(&counter::get, five), 5);
  EXPECT_EQ(run_call(&counter::on_lvalue, five), 15);
  EXPECT_EQ(run_call(&counter::on_rvalue, counter{5}), 25);
  EXPECT_EQ(run_call(&counter::on_const_rvalue, five), 35);
}

TEST(Callable, RunsVirtualMembersOfTheObjectsOwnClass) {
  square s;
  s.tag = 10;
  EXPECT_EQ(run_call(&shape::corners, s, 1), 15);
  EXPECT_EQ(run_call(&shape::corners, shape(), 1), 1);
  EXPECT_EQ(run_call(&shape::sides, s), 4);
  EXPECT_EQ(run_call(&shape::corners, std::make_shared<shape>(), 2), 2);
  payload in;
  const call_code code = prepare(&shape::sides, in, s);
  EXPECT_EQ(code.function, nullptr);
  EXPECT_EQ(code.virtual_offset % 2, 1U);
}

TEST(Callable, AdjustsTheObjectForMembersOfASecondBase) {
  both b;
  b.offset = 7;
#if !defined(__SANITIZE_ADDRESS__) || defined(__clang__)
  // GCC's -fsanitize=vptr takes the adjusted object for a broken one, in any such call.
  EXPECT_EQ(run_call(static_cast<int (both::*)() const>(&other_base::second), b), 9);
#endif
  EXPECT_EQ(run_call(&other_base::second, b), 9);
  two_parts parts;
  parts.b = 12;
  EXPECT_EQ(run_call(static_cast<int (two_parts::*)() const>(&second_part::get), parts), 12);
  EXPECT_EQ(run_call(&both::plain, b, 1, "abc"), 11);
}

TEST(Callable, ReadsDataMembers) {
  both b;
  b.offset = 8;
  EXPECT_EQ(run_call(&both::offset, b), 8);
  EXPECT_EQ(run_call(static_cast<int both::*>(&other_base::offset), b), 8);
  EXPECT_EQ(run_call(&counter::value, std::make_unique<counter>(counter{3})), 3);
}

TEST(Callable, ResultTypesAreDecayed) {
  static_assert(std::is_same_v<result_of<decltype(longer), std::string, std::string>, std::string>);
  static_assert(std::is_same_v<result_of<decltype(&do_nothing)>, void>);
  static_assert(std::is_same_v<result_of<decltype(&counter::value), counter>, int>);
  static_assert(std::is_same_v<result_of<std::plus<>, int, double>, double>);
}

TEST(Callable, LetsExceptionsOfTheFunctionThrough) { EXPECT_THROW(run_call(fail, "no"), std::runtime_error); }

TEST(Callable, RefusesNullFunctionPointers) {
  payload in;
  EXPECT_THROW(prepare(static_cast<int (*)(int)>(nullptr), in, 1), error);
  EXPECT_THROW(prepare(static_cast<int (counter::*)()>(nullptr), in, counter()), error);
  EXPECT_THROW(prepare(static_cast<int counter::*>(nullptr), in, counter()), error);
}

TEST(Callable, OnlyAppendsToThePayload) {
  payload in, out;
  in.append("head", 4);
  const call_code code = prepare(twice<std::string>, in, "x");
  EXPECT_EQ(std::memcmp(in.data(), "head", 4), 0);
  code.decoder(reinterpret_cast<std::uintptr_t>(code.function), in.data() + 4, in.size() - 4, out);
  EXPECT_EQ(decode_value<std::string>(out.data(), out.size()), "xx");
}

TEST(Decoder, RefusesArgumentsThatDoNotDecode) {
  payload in, out;
  const call_code code = prepare(join, in, "a", "b", "c");
  const auto function = reinterpret_cast<std::uintptr_t>(code.function);
  EXPECT_THROW(code.decoder(function, in.data(), in.size() - 1, out), bad_arguments);
  EXPECT_THROW(code.decoder(function, in.data(), 0, out), bad_arguments);
  in.append("more", 4);
  EXPECT_THROW(code.decoder(function, in.data(), in.size(), out), bad_arguments);
  EXPECT_EQ(out.size(), 0U);
}

TEST(Decoder, RefusesCallsWithoutAFunction) {
  payload in, out;
  EXPECT_THROW(prepare(half, in, 1).decoder(0, in.data(), in.size(), out), bad_arguments);
  payload member;
  EXPECT_THROW(prepare(&counter::get, member, counter()).decoder(0, member.data(), member.size(), out), bad_arguments);
}

TEST(Decoder, RefusesDataMembersOutsideTheirObject) {
  for (const std::int64_t offset : {std::int64_t{-8}, std::int64_t{4}, std::int64_t{1} << 40U}) {
    payload in, out, hostile;
    const call_code code = prepare(&counter::value, in, counter());
    encode(hostile, offset, 5);
    EXPECT_THROW(code.decoder(0, hostile.data(), hostile.size(), out), bad_arguments) << offset;
  }
}

TEST(ThunkTable, HoldsNothingButDecoders) {
  EXPECT_FALSE(worker::is_registered_thunk(nullptr));
  EXPECT_FALSE(worker::is_registered_thunk(reinterpret_cast<const void*>(&half)));
  int local = 0;
  EXPECT_FALSE(worker::is_registered_thunk(&local));
}

/// The call below is never made; that it is written is enough, as in a worker that never submits anything itself.
[[maybe_unused]] call_code never_called(payload& in) {
  return prepare([](short a, char b) { return a + b; }, in, short{1}, 'x');
}
TEST(ThunkTable, IsFilledBeforeMainForCallsThatAreOnlyWritten) {
  std::size_t entries = 0;
  for (const thunk_entry* e = thunk_table.load(); e != nullptr; e = e->next) ++entries;
  EXPECT_GT(entries, 30U);
  using decoder = function_decoder<double(short, unsigned char, float)>;
  const auto written = [] { return decoder::address(); };
  EXPECT_TRUE(worker::is_registered_thunk(reinterpret_cast<const void*>(written())));
}

}  // namespace
}  // namespace pp::detail
