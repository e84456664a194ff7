#include "pp/detail/json_call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "pp/error.hpp"
#include "pp/init.hpp"
#include "pp/publish.hpp"

namespace pp::detail {
namespace {

using ::testing::HasSubstr;

struct point {
  int x = 0, y = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::make_nvp("x", x), cereal::make_nvp("y", y));
  }
};

template <class... T>
std::string why_not(const std::string& text) {
  try {
    read_arguments<T...>(text);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "taken";
}

TEST(JsonCall, ReadsEveryKindOfArgument) {
  const auto [i, d, b, text, all, p] = read_arguments<int, double, bool, std::string, std::vector<int>, point>(
      R"([-3, 2, true, "x y", [1, 2, 3], {"x": 4, "y": 5}])");
  EXPECT_EQ(i, -3);
  EXPECT_EQ(d, 2.0);
  EXPECT_TRUE(b);
  EXPECT_EQ(text, "x y");
  EXPECT_EQ(all, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(p.x * 10 + p.y, 45);
}

TEST(JsonCall, ReadsNothingFromAnEmptyArray) { EXPECT_EQ(read_arguments<>("[]"), std::tuple<>()); }

TEST(JsonCall, NamesTheArgumentThatIsWrong) {
  EXPECT_EQ((why_not<int, int>("[1, \"2\"]")), "argument 2 is no int");
  EXPECT_EQ((why_not<std::string>("[1]")), "argument 1 is no std::string");
  EXPECT_EQ((why_not<int>("[3000000000]")), "argument 1 is no int");
  EXPECT_EQ((why_not<int>("[1.5]")), "argument 1 is no int");
  EXPECT_EQ((why_not<point>(R"([{"x": 1}])")), "argument 1 is no pp::detail::(anonymous namespace)::point");
}

TEST(JsonCall, SaysHowManyArgumentsThereAre) {
  EXPECT_EQ((why_not<int>("[]")), "it takes 1 argument, not 0");
  EXPECT_EQ((why_not<int, int>("[1, 2, 3]")), "it takes 2 arguments, not 3");
}

TEST(JsonCall, RefusesWhatIsNoArray) {
  for (const char* wrong : {"", "1", "{}", "[1", "[1] 2", "nonsense"})
    EXPECT_THAT(why_not<int>(wrong), HasSubstr("no JSON array")) << wrong;
}

TEST(JsonCall, WritesEveryKindOfResult) {
  EXPECT_EQ(write_result(7), "7");
  EXPECT_EQ(write_result(0.5), "0.5");
  EXPECT_EQ(write_result(true), "true");
  EXPECT_EQ(write_result(std::string("a\"b")), R"("a\"b")");
  EXPECT_EQ(write_result(std::vector<int>{1, 2}), "[1,2]");
  EXPECT_EQ(write_result(point{1, 2}), R"({"x":1,"y":2})");
}

TEST(JsonCall, SaysWhatJsonCannotSay) {
  EXPECT_THROW(write_result(std::numeric_limits<double>::quiet_NaN()), std::range_error);
}

TEST(JsonCall, SignaturesAreWrittenAsPeopleWriteThem) {
  EXPECT_EQ(signature_text("f", typeid(void), {}), "void f()");
  EXPECT_EQ(signature_text("f", typeid(bool), {&typeid(int), &typeid(std::string)}), "bool f(int, std::string)");
  EXPECT_EQ(signature_text("f", typeid(std::vector<std::string>), {&typeid(std::vector<std::vector<double>>)}),
            "std::vector<std::string> f(std::vector<std::vector<double>>)");
}

TEST(JsonCall, CallsAreForNamesThatAreKnown) {
  try {
    call_published("nobody", "[]");
    FAIL() << "nothing was thrown";
  } catch (const std::invalid_argument& e) {
    EXPECT_THAT(e.what(), HasSubstr("no function called nobody"));
  }
}

// --- publish: before main, as it must come before pp::init

struct counter {
  int sum = 0;
  int add(int n) { return sum += n; }
  int get() const { return sum; }
};

const bool is_published = [] {
  publish("taken.name", [](int n) { return n; });
  publish("counter.add", &counter::add, counter{40});
  publish("counter.get", &counter::get, counter{3}, "what it has");
  publish("nothing", [](const std::string&) {});
  return true;
}();

std::string why_refused(const std::string& name, const std::string& help = {}) {
  try {
    publish(
        name, [](int n) { return n; }, help);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "taken";
}

TEST(Publish, RefusesWrongNames) {
  EXPECT_THAT(why_refused(""), HasSubstr("a name is 1 to 255"));
  EXPECT_THAT(why_refused("two words"), HasSubstr("a name is 1 to 255"));
  EXPECT_THAT(why_refused(std::string(256, 'x')), HasSubstr("a name is 1 to 255"));
  EXPECT_THAT(why_refused("taken.name"), HasSubstr("taken by int taken.name(int)"));
  EXPECT_THAT(why_refused("helpful", std::string(4097, 'x')), HasSubstr("help may have 4096 bytes"));
}

TEST(Publish, ComesBeforeInit) {
  ASSERT_TRUE(is_initialised()) << "by the main() of all test programs";
  EXPECT_THAT(why_refused("too.late"), HasSubstr("before pp::init"));
}

TEST(Publish, MethodsKeepTheirObject) {
  ASSERT_TRUE(is_published);
  EXPECT_EQ(call_published("counter.add", "[1]"), "41");
  EXPECT_EQ(call_published("counter.add", "[1]"), "42");
  EXPECT_EQ(call_published("counter.get", "[]"), "3");
  EXPECT_THAT(published_json(),
              HasSubstr(R"~({"name":"counter.get","signature":"int counter.get()","help":"what it has"})~"));
}

TEST(Publish, FunctionsOfNothingGiveNull) { EXPECT_EQ(call_published("nothing", R"(["x"])"), "null"); }

}  // namespace
}  // namespace pp::detail
