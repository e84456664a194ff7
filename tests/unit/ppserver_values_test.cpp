// Shared values on a node: asked for, kept in memory, given to the jobs that name them, and let go of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ppserver_images_lab.hpp"

namespace pp::ppserver {
namespace {

using ::testing::HasSubstr;

class Values : public images_fixture {
 protected:
  Values() {
    images_.on_image(program_.message(0));
    images_.on_chunk(program_.whole(0, 0));
    out_.needs.clear();
  }

  static wire::content_id id_of(const std::string& text) { return auth::sha256(as_bytes(text)); }
  void announce(unsigned number, const std::string& text) {
    images_.on_value({wire::first_value + number, text.size(), id_of(text)});
  }
  void send(unsigned number, const std::string& text) {
    images_.on_chunk(
        {wire::first_value + number, 0, 0, static_cast<std::uint32_t>(text.size()), false, as_bytes(text)});
  }
  static worker::pool_job job_with(std::uint64_t id, std::vector<std::string> texts) {
    auto out = job(id);
    auto terms = std::make_shared<wire::terms>();
    for (const auto& text : texts) terms->values.push_back(id_of(text));
    std::sort(terms->values.begin(), terms->values.end());
    out.terms = terms;
    return out;
  }

  const program program_{{std::string(1000, 'p')}};
};

TEST_F(Values, AreAskedForOnceAndHoldTheirJobs) {
  announce(0, "a value");
  ASSERT_EQ(out_.needs.size(), 1U);
  EXPECT_EQ(out_.needs[0], (wire::need{wire::first_value, {0}}));
  images_.on_job(0, job_with(1, {"a value"}));
  images_.on_job(0, job(2));
  ASSERT_EQ(out_.ran.size(), 1U) << "others do not wait";
  EXPECT_EQ(out_.values[0], nullptr);
  send(0, "a value");
  ASSERT_EQ(out_.ran.size(), 2U);
  ASSERT_EQ(out_.values[1]->size(), 1U);
  EXPECT_EQ(out_.values[1]->front()->id(), id_of("a value"));
  images_.on_job(0, job_with(3, {"a value"}));
  EXPECT_EQ(out_.values[2]->front(), out_.values[1]->front());
  EXPECT_EQ(out_.came.back(), id_of("a value"));
}

TEST_F(Values, AJobWaitsForAllOfThemAndForItsProgram) {
  const program other({"another program"});
  images_.on_image(other.message(1));
  announce(0, "one");
  announce(1, "two");
  images_.on_job(1, job_with(1, {"one", "two"}));
  send(1, "two");
  images_.on_chunk(other.whole(1, 0));
  EXPECT_TRUE(out_.ran.empty());
  send(0, "one");
  ASSERT_EQ(out_.ran.size(), 1U);
  EXPECT_EQ(out_.values[0]->size(), 2U);
}

TEST_F(Values, OfAnotherClientAreThereAtOnceAndGoWithTheLastThatNeedsThem) {
  announce(0, "a value");
  send(0, "a value");
  recorder second;
  auto other = std::make_unique<images>(store_, limit, second);
  other->on_value({wire::first_value + 5, 7, id_of("a value")});
  EXPECT_TRUE(second.needs.empty());
  EXPECT_EQ(second.found, std::vector<auth::digest>{id_of("a value")});
  images_.on_release({wire::first_value});
  EXPECT_TRUE(store_.knows(id_of("a value")));
  other.reset();
  EXPECT_FALSE(store_.knows(id_of("a value")));
}

TEST_F(Values, StayUntilTheLastJobIsDone) {
  announce(0, "a value");
  send(0, "a value");
  images_.on_job(0, job_with(1, {"a value"}));
  images_.on_release({wire::first_value});
  EXPECT_TRUE(store_.knows(id_of("a value")));
  out_.values.clear();
  EXPECT_FALSE(store_.knows(id_of("a value")));
  announce(1, "a value");
  EXPECT_EQ(out_.needs.size(), 2U) << "asked for anew";
}

TEST_F(Values, ReleasedBeforeTheyCameGiveTheirJobsBackAndAreNotKept) {
  announce(0, "a value");
  images_.on_job(0, job_with(1, {"a value"}));
  images_.on_release({wire::first_value});
  EXPECT_EQ(out_.returned, (std::vector<std::pair<std::uint64_t, std::uint16_t>>{{1, 1}}));
  send(0, "a value");  // it was under way
  EXPECT_FALSE(store_.knows(id_of("a value")));
  images_.on_job(0, job_with(2, {"a value"}));
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_THAT(out_.refused[0].second, HasSubstr("released"));
}

TEST_F(Values, FetchedAfterTheirReleaseAreNotKept) {
  announce(0, "a value");
  images_.on_fetch_from({id_of("a value"), {wire::holder{}}});
  ASSERT_EQ(out_.fetches.size(), 1U);
  EXPECT_EQ(out_.places[0], code::store::place::memory);
  images_.on_release({wire::first_value});
  const auto in = store_.receive(id_of("a value"), 7, code::store::place::memory);
  ASSERT_TRUE(in->append(0, as_bytes("a value")));
  ASSERT_FALSE(in->finish());
  images_.on_fetch_ended(out_.fetches[0].first, id_of("a value"), true);
  EXPECT_FALSE(store_.knows(id_of("a value")));
}

TEST_F(Values, ThatFindNoRoomRefuseTheirJobsInWords) {
  const std::string text(limit + 1, 'x');
  announce(0, text);
  EXPECT_TRUE(out_.needs.empty());
  images_.on_job(0, job_with(1, {text}));
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_EQ(out_.refused[0].first, 1U);
  EXPECT_THAT(out_.refused[0].second, HasSubstr("--cache-size"));
  EXPECT_TRUE(out_.unfits.empty()) << "the program is not to blame";
}

TEST_F(Values, ThatArriveDamagedRefuseTheirJobs) {
  announce(0, "a value");
  images_.on_job(0, job_with(1, {"a value"}));
  send(0, "a valux");
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_THAT(out_.refused[0].second, HasSubstr("damaged"));
  images_.on_job(0, job(2));
  EXPECT_EQ(out_.ran.size(), 1U);
}

TEST_F(Values, AreTakenBackWithTheirJobs) {
  announce(0, "a value");
  images_.on_job(0, job_with(1, {"a value"}));
  EXPECT_EQ(images_.take_back(1), 1);
  send(0, "a value");
  EXPECT_TRUE(out_.ran.empty());
}

TEST_F(Values, NoHonestClientDoesThis) {
  announce(0, "a value");
  EXPECT_THROW(announce(0, "another"), error);
  EXPECT_THROW(announce(1, "a value"), error);
  EXPECT_THROW(images_.on_release({wire::first_value + 7}), error);
  EXPECT_THROW(images_.on_job(wire::first_value, job(1)), error);
  EXPECT_THROW(images_.on_image({wire::first_value + 1, code::encode_manifest(program_.manifest)}), error);
  EXPECT_EQ(images_.manifest_of(wire::first_value), nullptr);
  EXPECT_EQ(images_.program_of(wire::first_value), nullptr);
  for (unsigned i = 1; i < wire::max_values; ++i) announce(i, "value " + std::to_string(i));
  EXPECT_THROW(announce(wire::max_values, "one too many"), error);
}

}  // namespace
}  // namespace pp::ppserver
