// The archives: what goes in comes out, and bytes that lie are refused before they cost anything.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cereal/types/polymorphic.hpp>
#include <limits>
#include <random>

#include "pp/detail/archive.hpp"

namespace archive_test {

struct shape {
  virtual ~shape() = default;
  virtual int corners() const = 0;
};
struct polygon : shape {
  int n = 0;
  int corners() const override { return n; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
  }
};

}  // namespace archive_test
CEREAL_REGISTER_TYPE(archive_test::polygon)
CEREAL_REGISTER_POLYMORPHIC_RELATION(archive_test::shape, archive_test::polygon)

namespace pp::detail {
namespace {

using bytes = std::vector<std::uint8_t>;

template <class T>
bytes encoded(const T& value) {
  payload p;
  encode(p, value);
  return {p.data(), p.data() + p.size()};
}
template <class T>
T decoded(const bytes& from) {
  return decode<T>(from.data(), from.size());
}
template <class T>
T round_trip(const T& value) {
  return decoded<T>(encoded(value));
}
template <class T>
void expect_same(const T& value) {
  EXPECT_EQ(round_trip(value), value);
}
/// What decoding says, or "" if it succeeds.
template <class T>
std::string refusal(const bytes& from) {
  try {
    decoded<T>(from);
    return "";
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_message);
    return e.what();
  }
}
bytes with_count(std::uint64_t count, const bytes& rest = {}) {
  bytes b = encoded(count);
  b.insert(b.end(), rest.begin(), rest.end());
  return b;
}

enum class colour : std::int16_t { red = -3, green = 7 };
struct point {
  int x = 0;
  std::string name;
  bool operator==(const point&) const = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(x, name);
  }
};
struct nothing {
  bool operator==(const nothing&) const = default;
};
struct wraps_nothing {
  nothing a;
  bool operator==(const wraps_nothing&) const = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a);
  }
};
struct chain {
  std::unique_ptr<chain> next;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(next);
  }
};
/// Private default constructor, as cereal allows it.
class guarded {
 public:
  explicit guarded(int v) : value(v) {}
  int value;

 private:
  friend class cereal::access;
  guarded() : value(0) {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};
/// No default constructor at all, as cereal allows it.
struct constructed {
  explicit constructed(int v) : value(v) {}
  int value;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
  template <class Archive>
  static void load_and_construct(Archive& ar, cereal::construct<constructed>& make) {
    int v = 0;
    ar(v);
    make(v);
  }
};
struct versioned {
  int value = 0;
  std::uint32_t seen = 0;
  template <class Archive>
  void serialize(Archive& ar, std::uint32_t version) {
    seen = version;
    ar(value);
  }
};
struct two_pointers {
  std::shared_ptr<int> number;
  std::shared_ptr<std::string> text;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(number, text);
  }
};

TEST(ArchiveRoundTrip, KeepsNumbersAndEnumerations) {
  expect_same(true);
  expect_same('x');
  expect_same(std::numeric_limits<std::int64_t>::min());
  expect_same(std::numeric_limits<std::uint64_t>::max());
  expect_same(3.25F);
  expect_same(-0.0);
  expect_same(1.0L / 3);
  expect_same(colour::red);
  expect_same(std::complex<double>(1, -2));
  expect_same(std::chrono::milliseconds(1234));
}

TEST(ArchiveRoundTrip, KeepsTextAndContainers) {
  expect_same(std::string());
  expect_same(std::string("a\0b", 3));
  expect_same(std::u32string(U"\U0001F600!"));
  expect_same(std::vector<double>{1.5, -2});
  expect_same(std::vector<bool>{true, false, true, true});
  expect_same(std::vector<std::string>{"", "x", std::string(100'000, 'y')});
  expect_same(std::vector<std::vector<point>>{{}, {{1, "a"}, {2, "b"}}});
  expect_same(std::array<int, 3>{1, 2, 3});
  expect_same(std::array<bool, 3>{true, false, true});
  expect_same(std::deque<std::string>{"a", "b"});
  expect_same(std::list<int>{1, 2, 3});
  expect_same(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expect_same(std::multimap<int, int>{{1, 1}, {1, 2}});
  expect_same(std::multiset<std::string>{"a", "a", "b"});
  expect_same(std::unordered_map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_same(std::set<std::string>{"x", "y"});
  expect_same(std::unordered_set<int>{1, 2, 3});
  expect_same(std::bitset<77>("1011"));
}

TEST(ArchiveRoundTrip, KeepsCompositesAndOwnTypes) {
  expect_same(std::pair<int, std::string>{1, "a"});
  expect_same(std::tuple<int, point, std::optional<int>>{1, {2, "p"}, std::nullopt});
  expect_same(std::optional<point>{{3, "q"}});
  expect_same(std::variant<int, std::string>{"text"});
  expect_same(point{4, "r"});
  EXPECT_EQ(*round_trip(std::make_unique<point>(point{5, "s"})), (point{5, "s"}));
  EXPECT_EQ(round_trip(std::unique_ptr<int>()), nullptr);
}

TEST(ArchiveRoundTrip, KeepsSharingOfSharedPointers) {
  const auto one = std::make_shared<int>(7);
  const auto both = round_trip(std::vector<std::shared_ptr<int>>{one, one, nullptr});
  EXPECT_EQ(*both[0], 7);
  EXPECT_EQ(both[0], both[1]);
  EXPECT_EQ(both[2], nullptr);
}

TEST(ArchiveRoundTrip, KeepsTheDynamicTypeOfRegisteredClasses) {
  auto p = std::make_unique<archive_test::polygon>();
  p->n = 5;
  const std::unique_ptr<archive_test::shape> as_base = std::move(p);
  EXPECT_EQ(round_trip(as_base)->corners(), 5);
}

TEST(ArchiveRoundTrip, KeepsTypesThatOnlyCerealMayConstruct) {
  EXPECT_EQ(round_trip(guarded(8)).value, 8);
  EXPECT_EQ(round_trip(constructed(9)).value, 9);
  EXPECT_EQ(round_trip(std::make_unique<constructed>(10))->value, 10);
  EXPECT_EQ(round_trip(versioned{11, 0}).value, 11);
}

TEST(ArchiveRoundTrip, KeepsElementsThatEncodeToNothing) {
  expect_same(nothing{});
  expect_same(std::vector<nothing>(1000));
  expect_same(std::list<wraps_nothing>(3));
  expect_same(std::vector<std::vector<nothing>>{std::vector<nothing>(5), {}, std::vector<nothing>(300)});
  expect_same(std::pair<std::vector<nothing>, std::string>{std::vector<nothing>(9), "behind"});
  expect_same(std::map<int, nothing>{{1, {}}, {2, {}}});
}

TEST(ArchiveRoundTrip, FlatTypesHaveTheSameBytesWithAndWithoutAnArchive) {
  // A pair makes its parts go through cereal.
  EXPECT_EQ(encoded(std::pair<int, int>{1, 2}), [] {
    payload p;
    encode(p, 1, 2);
    return bytes(p.data(), p.data() + p.size());
  }());
  EXPECT_EQ(encoded(std::tuple<std::string>{"abc"}), encoded(std::string("abc")));
  EXPECT_EQ(encoded(std::tuple<std::vector<double>>{std::vector<double>{1, 2}}), encoded(std::vector<double>{1, 2}));
  EXPECT_EQ(encoded(std::tuple<colour>{colour::green}), encoded(colour::green));
}

TEST(ArchiveEncode, AppendsToWhatIsThere) {
  payload p;
  p.append("before", 6);
  encode(p, std::vector<nothing>(4));
  EXPECT_EQ(p.size(), 6U + 8U + 4U);
  EXPECT_EQ(decode<std::vector<nothing>>(p.data() + 6, p.size() - 6).size(), 4U);
}

TEST(ArchiveEncode, RefusesNestingThatWouldOverflowTheStackOfTheReader) {
  chain head;
  for (int i = 0; i < 5000; ++i) {
    auto next = std::make_unique<chain>();
    next->next = std::move(head.next);
    head.next = std::move(next);
  }
  payload p;
  EXPECT_THROW(encode(p, head), error);
  while (head.next) head.next = std::move(head.next->next);  // not by recursion
}

TEST(ArchiveDecode, RefusesEveryTruncation) {
  using value_type = std::tuple<int, std::string, std::map<std::string, std::vector<point>>>;
  const bytes whole = encoded(value_type{1, "two", {{"k", {{3, "four"}}}}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal<value_type>(bytes(whole.begin(), whole.begin() + static_cast<long>(size))), "") << size;
  }
}

TEST(ArchiveDecode, RefusesLeftOverBytes) {
  EXPECT_NE(refusal<int>({1, 0, 0, 0, 9}), "");
  EXPECT_NE(refusal<point>(bytes(100)), "");
  EXPECT_THROW(decode_value<void>(bytes(1).data(), 1), error);
}

TEST(ArchiveDecode, RefusesCountsBeyondWhatIsLeft) {
  for (const std::uint64_t count :
       {std::uint64_t{2}, std::uint64_t{1} << 30U, ~std::uint64_t{0}, ~std::uint64_t{0} / 8 + 2}) {
    const bytes lie = with_count(count, {0});
    EXPECT_NE(refusal<std::string>(lie), "");
    EXPECT_NE(refusal<std::u32string>(lie), "");
    EXPECT_NE(refusal<std::vector<std::uint8_t>>(lie), "");
    EXPECT_NE(refusal<std::vector<double>>(lie), "");
    EXPECT_NE(refusal<std::vector<bool>>(lie), "");
    EXPECT_NE(refusal<std::vector<std::string>>(lie), "");
    EXPECT_NE(refusal<std::vector<nothing>>(lie), "");
    EXPECT_NE(refusal<std::deque<int>>(lie), "");
    EXPECT_NE(refusal<std::list<int>>(lie), "");
    EXPECT_NE((refusal<std::map<int, int>>(lie)), "");
    EXPECT_NE((refusal<std::unordered_map<int, int>>(lie)), "");
    EXPECT_NE(refusal<std::set<int>>(lie), "");
  }
}

/// Sequences of huge elements grow with what was read, not with the announced number of elements.
TEST(ArchiveDecode, AllocatesInProportionToTheBytesGiven) {
  using huge = std::vector<std::tuple<std::array<std::string, 4096>>>;  // 128 KiB an element
  const bytes lie = with_count(100'000, bytes(100'000));
  const auto before = mallinfo2();
  EXPECT_NE(refusal<huge>(lie), "");
  EXPECT_NE(refusal<std::deque<huge::value_type>>(lie), "");
  EXPECT_NE(refusal<std::list<huge::value_type>>(lie), "");
  const auto after = mallinfo2();
  EXPECT_LT(after.arena + after.hblkhd, before.arena + before.hblkhd + 64 * 1024 * 1024);
}

TEST(ArchiveDecode, RefusesBoolsAndOptionalsThatAreNeitherYesNorNo) {
  EXPECT_NE(refusal<bool>({2}), "");
  EXPECT_NE(refusal<std::vector<bool>>(with_count(1, {7})), "");
  EXPECT_NE((refusal<std::array<bool, 2>>({0, 255})), "");
  EXPECT_NE(refusal<std::optional<int>>({3, 0, 0, 0, 0}), "");
}

TEST(ArchiveDecode, RefusesVariantsBeyondTheirAlternatives) {
  using either = std::variant<int, double>;
  EXPECT_NE(refusal<either>({2, 0, 0, 0, 1, 1, 1, 1}), "");
  EXPECT_NE(refusal<either>({255, 255, 255, 255, 1, 1, 1, 1}), "");
}

TEST(ArchiveDecode, RefusesASharedPointerToAnObjectOfAnotherType) {
  bytes b = encoded(two_pointers{std::make_shared<int>(1), std::make_shared<std::string>("x")});
  b.resize(8);                      // the int: id 1 and its value
  b.insert(b.end(), {1, 0, 0, 0});  // the string: "the same object as id 1"
  EXPECT_NE(refusal<two_pointers>(b), "");
  const bytes unknown = {5, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NE(refusal<two_pointers>(unknown), "");
}

TEST(ArchiveDecode, RefusesNestingThatWouldOverflowTheStack) {
  EXPECT_NE(refusal<chain>(bytes(1'000'000, 1)), "");
  bytes deep(1000, 1);
  deep.push_back(0);
  EXPECT_EQ(refusal<chain>(deep), "");
}

TEST(ArchiveDecode, RefusesPaddingThatIsNotZero) {
  bytes b = encoded(std::vector<nothing>(3));
  ASSERT_EQ(b.size(), 11U);
  b[9] = 1;
  EXPECT_NE(refusal<std::vector<nothing>>(b), "");
}

TEST(ArchiveDecode, SurvivesEverySingleBitFlipOfARichValue) {
  using rich = std::tuple<std::vector<point>, std::map<std::string, std::optional<int>>, std::variant<int, std::string>,
                          std::vector<bool>, std::shared_ptr<std::string>, std::vector<nothing>, std::bitset<20>>;
  const rich value{{{1, "a"}, {2, "b"}},    {{"k", 3}},         "v", {true, false}, std::make_shared<std::string>("s"),
                   std::vector<nothing>(4), std::bitset<20>(77)};
  const bytes whole = encoded(value);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    bytes flipped = whole;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    refusal<rich>(flipped);  // another value or pp::error(bad_message), nothing else
  }
}

TEST(ArchiveDecode, SurvivesRandomBytes) {
  std::mt19937 random(20260);
  for (int round = 0; round < 3000; ++round) {
    bytes b(random() % 64);
    for (auto& byte : b)
      byte = random() % 4 == 0 ? static_cast<std::uint8_t>(random()) : static_cast<std::uint8_t>(random() % 3);
    refusal<std::vector<std::map<std::string, std::vector<point>>>>(b);
    refusal<std::unique_ptr<archive_test::shape>>(b);
    refusal<std::tuple<std::list<std::shared_ptr<point>>, std::unordered_map<int, std::string>>>(b);
  }
}

TEST(ArchiveDecode, SaysInWordsWhatIsWrong) {
  EXPECT_NE(refusal<int>({1}).find("they end too early"), std::string::npos);
  EXPECT_EQ(refusal<int>({1}).rfind("pp: ", 0), 0U);
}

}  // namespace
}  // namespace pp::detail
