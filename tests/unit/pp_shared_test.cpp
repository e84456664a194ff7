// pp::shared within one process: handles, what they give, and what a job's arguments note about them.
#include <map>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pp/shared.hpp"
#include "ppclient/job_values.hpp"
#include "wire/terms.hpp"
#include "worker/shared_values.hpp"

namespace pp {
namespace {

using ::testing::HasSubstr;
using numbers = std::vector<int>;

template <class T>
detail::payload encoded(const T& value, detail::shared_values& uses) {
  detail::payload out;
  const detail::use_scope noting(uses);
  detail::encode<T>(out, value);
  return out;
}

TEST(Shared, GivesTheValueAndItsElements) {
  const auto a = shared<numbers>::of({1, 2, 3});
  EXPECT_TRUE(a);
  EXPECT_EQ(*a, (numbers{1, 2, 3}));
  EXPECT_EQ(a->size(), 3U);
  EXPECT_EQ(&a.get(), &*a) << "made once";
  EXPECT_EQ(a.view()[2], 3);
  EXPECT_EQ(a.size_bytes(), 3 * sizeof(int) + 1);
  EXPECT_EQ(shared<std::string>::of("text").view(), "text");
  EXPECT_TRUE(shared<numbers>::of({}).view().empty());
  const std::map<std::string, int> words{{"one", 1}};
  EXPECT_EQ(*(shared<std::map<std::string, int>>::of(words)), words);
}

TEST(Shared, WithoutAValueSaysSo) {
  const shared<numbers> none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.size_bytes(), 0U);
  EXPECT_THROW(none.get(), error);
  EXPECT_THROW(none.view(), error);
  EXPECT_EQ(none, shared<numbers>());
  EXPECT_NE(none, shared<numbers>::of({}));
}

TEST(Shared, SameContentIsOneValue) {
  const auto a = shared<numbers>::of({1, 2}), b = shared<numbers>::of({1, 2}), c = shared<numbers>::of({2, 1});
  EXPECT_EQ(a, b);
  EXPECT_EQ(&*a, &*b);
  EXPECT_NE(a, c);
}

TEST(Shared, IsNotTakenForAValueOfAnotherKind) {
  const auto text = shared<std::string>::of("abcd");
  detail::shared_values uses;
  const auto name = encoded(text, uses);
  const auto wrong = detail::decode<shared<std::map<int, int>>>(name.data(), name.size());
  EXPECT_THROW(wrong.get(), error);
}

TEST(Shared, TravelsAsANameThatTheJobNotes) {
  auto a = shared<numbers>::of({4, 5});
  detail::shared_values uses;
  const auto name = encoded(std::make_pair(7, a), uses);
  EXPECT_LT(name.size(), 64U);
  ASSERT_EQ(uses.size(), 1U);
  const auto there = detail::decode<std::pair<int, shared<numbers>>>(name.data(), name.size());
  EXPECT_EQ(there.second, a);
}

TEST(Shared, WhoseLastHandleIsGoneIsNotFound) {
  auto a = shared<numbers>::of({6, 7});
  auto uses = std::make_unique<detail::shared_values>();
  const auto name = encoded(a, *uses);
  a = {};
  EXPECT_TRUE(detail::decode<shared<numbers>>(name.data(), name.size())) << "the job has it";
  uses.reset();
  try {
    detail::decode<shared<numbers>>(name.data(), name.size());
    ADD_FAILURE();
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_message);
    EXPECT_THAT(e.what(), HasSubstr("keep its handle"));
  }
}

TEST(Shared, ScopesOfJobsWithinJobsDoNotMix) {
  const auto a = shared<numbers>::of({1}), b = shared<numbers>::of({2});
  detail::shared_values outer, inner;
  {
    const detail::use_scope noting(outer);
    encoded(a, inner);
    detail::payload more;
    detail::encode(more, b);
  }
  EXPECT_EQ(inner.size(), 1U);
  ASSERT_EQ(outer.size(), 1U);
  EXPECT_NE(outer.front(), inner.front());
}

TEST(Shared, AJobHasThoseThatItsValuesName) {
  const auto a = shared<numbers>::of({1}), b = shared<numbers>::of({2});
  const auto both = shared<std::vector<shared<numbers>>>::of({a, b, a});
  detail::shared_values named;
  encoded(both, named);
  detail::job_record job;
  ppclient::add_values(job, named);
  EXPECT_EQ(job.extra->values.size(), 3U);
  const auto terms = wire::decode_terms(job.terms());
  ASSERT_TRUE(terms);
  EXPECT_EQ(terms->values.size(), 3U);
  // More that come later, as of inputs.
  const auto c = shared<numbers>::of({3});
  named.clear();
  encoded(c, named);
  ppclient::add_values(job, named);
  EXPECT_EQ(wire::decode_terms(job.terms())->values.size(), 4U);
  job.forget_arguments();
  EXPECT_TRUE(job.extra->values.empty());
}

TEST(Shared, AJobNamesAThousandAtMost) {
  std::vector<shared<int>> all;
  for (int i = 0; i <= static_cast<int>(wire::max_values_of_job); ++i) all.push_back(shared<int>::of(i));
  detail::shared_values named;
  encoded(all, named);
  detail::job_record job;
  EXPECT_THROW(ppclient::add_values(job, named), error);
  named.pop_back();
  ppclient::add_values(job, named);
  EXPECT_EQ(job.extra->values.size(), wire::max_values_of_job);
}

}  // namespace
}  // namespace pp
