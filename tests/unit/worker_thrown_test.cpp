#include "worker/thrown.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace pp::worker {
namespace {

template <class Throw>
wire::failure failure_from(Throw&& what) {
  try {
    what();
  } catch (...) {
    return failure_of(std::current_exception());
  }
  return {};
}

void load() {
  try {
    throw std::invalid_argument("bad line 7");
  } catch (...) {
    std::throw_with_nested(std::runtime_error("cannot read the table"));
  }
}
void start() {
  try {
    load();
  } catch (...) {
    std::throw_with_nested(std::logic_error("cannot start"));
  }
}

TEST(Thrown, ListsWhatWasNestedOutermostFirst) {
  const auto f = failure_from(start);
  EXPECT_EQ(f.type, "std::logic_error");
  EXPECT_EQ(f.what, "cannot start");
  ASSERT_EQ(f.causes.size(), 2U);
  EXPECT_EQ(f.causes[0], (wire::cause{"std::runtime_error", "cannot read the table"}));
  EXPECT_EQ(f.causes[1], (wire::cause{"std::invalid_argument", "bad line 7"}));
}

TEST(Thrown, HasNoCausesWhereNothingWasNested) {
  const auto f = failure_from([] { throw std::runtime_error("alone"); });
  EXPECT_EQ(f.what, "alone");
  EXPECT_TRUE(f.causes.empty());
}

struct plain {
  int number = 0;
};

TEST(Thrown, FollowsTypesThatAreNoStdException) {
  const auto f = failure_from([] {
    try {
      throw 7;
    } catch (...) {
      std::throw_with_nested(plain{});
    }
  });
  EXPECT_NE(f.type.find("plain"), f.type.npos);
  EXPECT_EQ(f.type.find("_Nested_exception"), f.type.npos);
  EXPECT_EQ(f.what, "unknown exception type");
  ASSERT_EQ(f.causes.size(), 1U);
  EXPECT_EQ(f.causes[0], (wire::cause{"int", "unknown exception type"}));
}

void nest(int depth) {
  if (depth == 0) throw std::runtime_error("innermost");
  try {
    nest(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error(std::to_string(depth)));
  }
}

TEST(Thrown, CutsAChainThatIsTooLong) {
  const auto f = failure_from([] { nest(100); });
  EXPECT_EQ(f.what, "100");
  ASSERT_EQ(f.causes.size(), wire::max_causes);
  EXPECT_EQ(f.causes.back().what, "84");
}

TEST(Thrown, TakesWhatDidNotComeFromCpp) {
  const auto f = failure_of(nullptr);
  EXPECT_EQ(f.type, "");
  EXPECT_EQ(f.what, "unknown exception type");
}

}  // namespace
}  // namespace pp::worker
