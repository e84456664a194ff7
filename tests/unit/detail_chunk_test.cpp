// Maps through their bytes, as a caller and a worker would do it: every kind of range, callable, result and output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <forward_list>
#include <list>
#include <span>
#include <sstream>

#include "pp/detail/map.hpp"
#include "tests/support/ranges.hpp"
#include "worker/thunks.hpp"

namespace {

// Callables and types as users write them, outside any library's namespace.

int add_one(int n) { return n + 1; }
double half(double n) { return n / 2; }
bool is_even(std::uint64_t n) { return n % 2 == 0; }
bool negated(bool b) { return !b; }
std::string bracketed(const std::string& text) { return "[" + text + "]"; }
std::string taken(std::string&& text) { return std::move(text) + "!"; }
std::size_t length(std::string text) { return text.size(); }
std::unique_ptr<int> doubled(std::unique_ptr<int> n) { return std::make_unique<int>(*n * 2); }
const std::string& same(const std::string& text) { return text; }
[[noreturn]] void never(int) { throw std::logic_error("not even once"); }
int below_five(int n) { return n < 5 ? n : throw std::out_of_range("five or more"); }
std::string text_below_five(int n) { return std::to_string(below_five(n)); }

enum class colour : std::uint8_t { red, green, blue };
colour next_colour(colour c) { return c == colour::blue ? colour::red : static_cast<colour>(static_cast<int>(c) + 1); }

struct empty {
  bool operator==(const empty&) const = default;
};
empty pass(empty e) { return e; }

struct point {
  int x = 0, y = 0;
  int sum() const { return x + y; }
  void move() { ++x; }
  virtual int both() const { return 10 * x + y; }
  virtual ~point() = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(x, y);
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
/// Counts its calls in its state, which no other item may see.
struct counting {
  int calls = 0;
  int operator()(int n) { return n % 1000 * 100 + ++calls % 100; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(calls);
  }
};
struct any_of_them {
  template <class T>
  T operator()(const T& value) const {
    return value + value;
  }
};

}  // namespace

namespace pp::detail {
namespace {

/// Runs every chunk of `job`, at most `most` items each, in this process.
void run_all(map_items& job, const call_code& code, std::uint64_t most, std::size_t most_bytes = SIZE_MAX) {
  ASSERT_TRUE(worker::is_registered_thunk(reinterpret_cast<const void*>(code.decoder)));
  const auto function = code.function != nullptr ? reinterpret_cast<std::uintptr_t>(code.function)
                                                 : static_cast<std::uintptr_t>(code.virtual_offset);
  for (std::uint64_t first = 0;;) {
    payload in, out;
    const std::uint64_t count = job.pack(in, first, most, most_bytes);
    if (count == 0) break;
    ASSERT_LE(count, most);
    code.decoder(function, in.data(), in.size(), out);
    job.unpack({first, count, out.data(), out.size(), nullptr});
    first += count;
  }
}

template <class F, class Range>
auto map_here(const F& function, Range&& range, std::uint64_t most = 3) {
  using kept = std::remove_reference_t<Range>;
  using what = mapping<std::decay_t<F>, kept>;
  static_assert(what::good);
  vector_output<typename what::result> out;
  const std::decay_t<F> callable = function;
  map_job<std::decay_t<F>, kept, decltype(out)> job(callable, range, out);
  run_all(job, job.code(), most);
  return out.take();
}

template <class F, class Range, class Output>
auto map_here_to(const F& function, Range& range, Output output) {
  const std::decay_t<F> callable = function;
  map_job<std::decay_t<F>, Range, Output> job(callable, range, output);
  run_all(job, job.code(), 2);
  return output.take();
}

using ::testing::ElementsAre;
using strings = std::vector<std::string>;
using test::between;
using test::count_up;

TEST(Chunk, NumbersKeepTheirOrder) {
  const std::vector<int> in{5, 4, 3, 2, 1, 0, -1};
  EXPECT_THAT(map_here(add_one, in), ElementsAre(6, 5, 4, 3, 2, 1, 0));
  EXPECT_THAT(map_here(add_one, in, 100), ElementsAre(6, 5, 4, 3, 2, 1, 0));
  EXPECT_THAT(map_here(add_one, std::vector<int>{}), ElementsAre());
}

TEST(Chunk, ElementsAreConvertedToTheParameterType) {
  EXPECT_THAT(map_here(half, std::vector<int>{1, 2, 3, 4}), ElementsAre(0.5, 1, 1.5, 2));
  EXPECT_THAT(map_here(length, std::vector<const char*>{"a", "bcd"}), ElementsAre(1, 3));
  EXPECT_THAT(map_here(is_even, std::vector<short>{1, 2}), ElementsAre(false, true));
}

TEST(Chunk, TakesEveryKindOfRange) {
  EXPECT_THAT(map_here(add_one, std::list<int>{1, 2, 3, 4}), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(map_here(add_one, std::forward_list<int>{1, 2, 3, 4}), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(map_here(add_one, std::deque<int>{1, 2, 3, 4}), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(map_here(add_one, between{count_up(), 5}), ElementsAre(1, 2, 3, 4, 5));
  const std::list<int> more{1, 2, 3, 4, 5, 6};
  EXPECT_THAT(map_here(add_one, between{std::counted_iterator(more.begin(), 4), std::default_sentinel}),
              ElementsAre(2, 3, 4, 5));
  std::istringstream text("10 20 30 40");
  EXPECT_THAT(map_here(add_one, between{std::istream_iterator<int>(text), std::istream_iterator<int>()}),
              ElementsAre(11, 21, 31, 41));
  const int numbers[] = {7, 8};
  EXPECT_THAT(map_here(add_one, numbers), ElementsAre(8, 9));
  EXPECT_THAT(map_here(add_one, std::span<const int>(numbers)), ElementsAre(8, 9));
  EXPECT_THAT(map_here(negated, std::vector<bool>{true, false, true, true}), ElementsAre(false, true, false, false));
  EXPECT_THAT(map_here(any_of_them(), std::vector<bool>{true, false}), ElementsAre(true, false));
}

TEST(Chunk, TakesValuesOfEveryKind) {
  EXPECT_EQ(map_here(bracketed, strings{"a", "", "ccc", "d"}), (strings{"[a]", "[]", "[ccc]", "[d]"}));
  EXPECT_EQ(map_here(taken, strings{"a", "b"}), (strings{"a!", "b!"}));
  EXPECT_EQ(map_here(same, strings{"a", "b"}), (strings{"a", "b"}));
  EXPECT_THAT(map_here(next_colour, std::vector{colour::red, colour::blue}), ElementsAre(colour::green, colour::red));
  EXPECT_EQ(map_here(pass, std::vector<empty>(7)), std::vector<empty>(7));
  std::vector<std::unique_ptr<int>> pointers;
  for (int i = 0; i < 4; ++i) pointers.push_back(std::make_unique<int>(i));
  const auto back =
      map_here(doubled, between{std::move_iterator(pointers.begin()), std::move_iterator(pointers.end())});
  ASSERT_EQ(back.size(), 4U);
  EXPECT_EQ(*back[3], 6);
}

TEST(Chunk, TakesEveryKindOfCallable) {
  const std::vector<int> in{1, 2, 3, 4};
  EXPECT_THAT(map_here([](int n) { return n * n; }, in), ElementsAre(1, 4, 9, 16));
  EXPECT_THAT(map_here([](auto n) { return n + 0.5; }, in), ElementsAre(1.5, 2.5, 3.5, 4.5));
  EXPECT_THAT(map_here(scale{3}, in), ElementsAre(3, 6, 9, 12));
  EXPECT_THAT(map_here(&point::x, std::vector<point>(2)), ElementsAre(0, 0));
  EXPECT_EQ(map_here(any_of_them(), strings{"a", "b"}), (strings{"aa", "bb"}));
  std::vector<point> points(3);
  points[1].x = 1, points[2].y = 7;
  EXPECT_THAT(map_here(&point::sum, points), ElementsAre(0, 1, 7));
  EXPECT_THAT(map_here(&point::both, points), ElementsAre(0, 10, 7)) << "a virtual member";
  EXPECT_THAT(map_here(&point::y, points), ElementsAre(0, 0, 7));
}

TEST(Chunk, NoItemSeesAStateThatAnotherChanged) {
  EXPECT_THAT(map_here(counting{5}, std::vector<int>{1, 2, 3}), ElementsAre(106, 206, 306));
}

TEST(Chunk, AFunctionThatReturnsNothingTakesNoRoom) {
  std::vector<point> points(5);
  map_here_to(&point::move, points, no_output());
  EXPECT_EQ(points[0].x, 0) << "the caller's own object stays as it is";
}

TEST(Chunk, APackedBlockOfNumbersTakesTheirBytesAndAHead) {
  const std::vector<int> in(1000, 1);
  vector_output<int> out;
  map_job<int (*)(int), const std::vector<int>, vector_output<int>> job(add_one, in, out);
  payload bytes;
  EXPECT_EQ(job.pack(bytes, 0, 600, SIZE_MAX), 600U);
  EXPECT_EQ(bytes.size(), 16U + 600 * sizeof(int));
  bytes.clear();
  EXPECT_EQ(job.pack(bytes, 600, 600, 1000), 250U) << "bounded by bytes";
  bytes.clear();
  EXPECT_EQ(job.pack(bytes, 850, 600, 1), 1U) << "always one at least";
  bytes.clear();
  EXPECT_EQ(job.pack(bytes, 851, 600, SIZE_MAX), 149U);
  bytes.clear();
  EXPECT_EQ(job.pack(bytes, 1000, 600, SIZE_MAX), 0U);
}

TEST(Chunk, LargeValuesEndAChunkByTheirBytes) {
  const strings in(5, std::string(1000, 'x'));
  vector_output<std::string> out;
  map_job<std::string (*)(const std::string&), const strings, vector_output<std::string>> job(bracketed, in, out);
  run_all(job, job.code(), 100, 1500);
  EXPECT_EQ(out.take(), strings(5, "[" + std::string(1000, 'x') + "]"));
}

// --- outputs ---------------------------------------------------------------------------------------------------------

template <class R, class Out>
auto into(Out& out) {
  return iterator_output<R, std::ranges::iterator_t<Out>, std::ranges::sentinel_t<Out>>(std::ranges::begin(out),
                                                                                        std::ranges::end(out));
}

TEST(ChunkOutput, WritesIntoARangeWithRoom) {
  const std::vector<int> in{1, 2, 3, 4, 5};
  std::array<int, 7> block{};
  EXPECT_EQ(map_here_to(add_one, in, into<int>(block)), block.begin() + 5);
  EXPECT_THAT(block, ElementsAre(2, 3, 4, 5, 6, 0, 0));
  std::vector<double> other(5);
  map_here_to(add_one, in, into<int>(other));
  EXPECT_THAT(other, ElementsAre(2, 3, 4, 5, 6));
  std::list<int> list(5);
  EXPECT_EQ(map_here_to(add_one, in, into<int>(list)), list.end());
  EXPECT_THAT(list, ElementsAre(2, 3, 4, 5, 6));
  std::vector<bool> bits(5);
  map_here_to(is_even, in, into<bool>(bits));
  EXPECT_THAT(bits, ElementsAre(false, true, false, true, false));
}

TEST(ChunkOutput, WritesThroughAnIterator) {
  const std::vector<int> in{1, 2, 3};
  std::deque<long> out;
  using inserter = std::back_insert_iterator<std::deque<long>>;
  map_here_to(add_one, in, iterator_output<int, inserter, std::unreachable_sentinel_t>(std::back_inserter(out), {}));
  EXPECT_THAT(out, ElementsAre(2, 3, 4));
  int raw[3] = {};
  map_here_to(add_one, in, iterator_output<int, int*, std::unreachable_sentinel_t>(raw, {}));
  EXPECT_THAT(raw, ElementsAre(2, 3, 4));
}

template <class Out>
void expect_full(Out output) {
  const std::list<int> sized{1, 2, 3};
  try {
    map_here_to(add_one, sized, std::move(output));
    FAIL() << "it had no room";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_option);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("less room"));
  }
}

TEST(ChunkOutput, TellsWhenThereIsNoRoom) {
  std::array<int, 2> block{};
  expect_full(into<int>(block));
  EXPECT_EQ(block[0], 0) << "known before anything was run";
  std::forward_list<int> list(2);
  expect_full(into<int>(list));
}

// --- errors and hostile bytes ----------------------------------------------------------------------------------------

template <class F>
std::uint64_t failing_item(F function, std::uint64_t most) {
  const std::vector<int> in{1, 2, 3, 4, 5, 6};
  try {
    map_here(function, in, most);
  } catch (const item_failure& e) {
    EXPECT_THROW(std::rethrow_exception(e.cause()), std::logic_error);
    return e.item();
  }
  ADD_FAILURE() << "nothing was thrown";
  return 0;
}

TEST(Chunk, TellsWhichItemOfTheMapThrew) {
  for (const std::uint64_t most : {1U, 3U, 5U, 100U}) {
    EXPECT_EQ(failing_item(below_five, most), 4U);
    EXPECT_EQ(failing_item(text_below_five, most), 4U);
  }
  const std::vector<int> in{1, 2};
  EXPECT_THROW(map_here_to(never, in, no_output()), item_failure);
}

/// Every prefix and every flipped byte of a chunk, but for the first `trusted`, either runs or is refused as bad_arguments.
template <class F, class Range>
void attack(const F& function, Range range, std::size_t trusted = 0) {
  using result = typename mapping<F, Range>::result;
  vector_output<result> output;
  map_job<F, Range, vector_output<result>> job(function, range, output);
  payload in;
  const std::uint64_t count = job.pack(in, 0, 100, SIZE_MAX);
  const auto address = reinterpret_cast<std::uintptr_t>(job.code().function);
  for (std::size_t size = 0; size < in.size(); ++size) {
    const std::vector<std::uint8_t> part(in.data(), in.data() + size);  // a block of its own, so that ASan sees its end
    payload out;
    EXPECT_THROW(job.code().decoder(address, part.data(), part.size(), out), bad_arguments) << size;
  }
  for (std::size_t at = trusted; at < in.size(); ++at) {
    std::vector<std::uint8_t> changed(in.data(), in.data() + in.size());
    for (const std::uint8_t flip : {0x01, 0x80, 0xFF}) {
      changed[at] = static_cast<std::uint8_t>(in.data()[at] ^ flip);
      payload out;
      try {
        job.code().decoder(address, changed.data(), changed.size(), out);
      } catch (const bad_arguments&) {
      }
    }
  }
  EXPECT_GT(count, 0U);
}

TEST(Chunk, HostileArgumentsAreRefused) {
  attack<int (*)(int)>(add_one, std::vector<int>{1, 2, 3});
  attack<bool (*)(bool)>(negated, std::vector<bool>{true, false});
  attack<std::string (*)(const std::string&)>(bracketed, strings{"one", "", "three"});
  attack<empty (*)(empty)>(pass, std::vector<empty>(5));
  attack(scale{2}, std::vector<double>{1, 2});
  attack(counting{2}, std::vector<int>{1, 2});
  // What a member pointer says is believed like the function's address: both come from one's own program.
  attack<int (point::*)() const>(&point::sum, std::vector<point>(2), sizeof(std::int64_t));
  attack<int point::*>(&point::x, std::vector<point>(2));
}

template <class R>
void unpack_wrong(std::vector<std::uint8_t> bytes, std::uint64_t count) {
  vector_output<R> output;
  try {
    unpack_results<R>(bytes.data(), bytes.size(), count, output);
    ADD_FAILURE() << "it was taken";
  } catch (const pp::error& e) {
    EXPECT_EQ(e.code(), pp::errc::bad_message);
  }
}

TEST(Chunk, HostileResultsAreRefused) {
  unpack_wrong<int>({1, 0, 0, 0}, 2);
  unpack_wrong<int>({1, 0, 0, 0, 0}, 1);
  unpack_wrong<int>({}, std::uint64_t{1} << 62U);
  unpack_wrong<bool>({0, 1, 2}, 3);
  unpack_wrong<std::string>({9, 0, 0, 0, 0, 0, 0, 0, 'a'}, 1);
  unpack_wrong<std::string>({1, 0, 0, 0, 0, 0, 0, 0, 'a', 'b'}, 1);
  unpack_wrong<point>({1, 0, 0, 0, 1, 0, 0}, 1);
  no_output nothing;
  const std::uint8_t one = 1;
  EXPECT_THROW(unpack_results<void>(&one, 1, 1, nothing), pp::error);
}

}  // namespace
}  // namespace pp::detail
