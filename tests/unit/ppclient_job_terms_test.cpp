#include "ppclient/job_terms.hpp"

#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "wire/terms.hpp"

namespace pp::ppclient {
namespace {

using namespace std::chrono_literals;

std::string refusal(const job_options& how) {
  try {
    make_terms(how, {});
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "";
}

wire::terms sent(const job_options& how, const job_options& usual = {}) {
  return wire::decode_terms(make_terms(how, usual)->encoded).value();
}

TEST(JobTerms, AreNoneForAJobThatSaysNothing) { EXPECT_EQ(make_terms({}, {}), nullptr); }

TEST(JobTerms, TellTheNodeWhatItIsToDo) {
  job_options how;
  how.timeout = 1500ms;
  how.cpu_time = 7s;
  how.memory = 5U << 20U;
  how.max_result = 99;
  how.priority = -100;
  how.at_most_once = true;
  how.label = "rows 1 to 7";
  how.environment = {{"A", "1"}, {"B", ""}};
  how.output = output::drop;
  const auto t = sent(how);
  EXPECT_EQ(t.timeout_ms, 1500U);
  EXPECT_EQ(t.cpu_ms, 7000U);
  EXPECT_EQ(t.memory, 5U << 20U);
  EXPECT_EQ(t.max_result, 99U);
  EXPECT_EQ(t.priority, -100);
  EXPECT_TRUE(t.at_most_once);
  EXPECT_TRUE(t.drops_output);
  EXPECT_EQ(t.label, "rows 1 to 7");
  EXPECT_EQ(t.environment, (std::vector<std::string>{"A=1", "B="}));
}

TEST(JobTerms, KeepWhatOnlyTheClientNeedsFromTheWire) {
  job_options how;
  how.node = "alpha";
  how.nodes = "gpu*";
  how.group = "g";
  how.idempotent = true;
  how.attempts = 9;
  const auto terms = make_terms(how, {});
  EXPECT_TRUE(terms->encoded.empty());
  EXPECT_EQ(terms->where, (placement{"alpha", "gpu*", isolation::none}));
  EXPECT_EQ(terms->group, "g");
  EXPECT_EQ(terms->attempts, 9U);
  EXPECT_TRUE(terms->idempotent);
}

TEST(JobTerms, TakeWhatIsLeftOutFromTheClients) {
  job_options usual;
  usual.timeout = 5s;
  usual.label = "usual";
  usual.at_most_once = true;
  job_options how;
  how.label = "mine";
  auto t = sent(how, usual);
  EXPECT_EQ(t.timeout_ms, 5000U);
  EXPECT_EQ(t.label, "mine");
  EXPECT_TRUE(t.at_most_once);
  how.idempotent = true;
  EXPECT_FALSE(make_terms(how, usual)->at_most_once) << "the job's own word counts";
}

TEST(JobTerms, AWrongValueNamesItsOption) {
  const auto with = [](auto set) {
    job_options o;
    set(o);
    return refusal(o);
  };
  EXPECT_EQ(with([](auto& o) { o.timeout = -1ms; }), "job_options.timeout must be 0 (no limit) or 1 ms to 24 days");
  EXPECT_EQ(with([](auto& o) { o.timeout = std::chrono::milliseconds::max(); }),
            "job_options.timeout must be 0 (no limit) or 1 ms to 24 days");
  EXPECT_EQ(with([](auto& o) { o.cpu_time = -1ms; }), "job_options.cpu_time must be 0 (no limit) or 1 ms to 24 days");
  EXPECT_EQ(with([](auto& o) { o.memory = 1000; }),
            "job_options.memory must be 0 (what the node allows) or at least 1 MiB");
  EXPECT_EQ(with([](auto& o) { o.max_result = (1ULL << 30U) + 1; }), "job_options.max_result must be 0 to 1 GiB");
  EXPECT_EQ(with([](auto& o) { o.attempts = 1001; }), "job_options.attempts must be 0 (options.attempts) or 1 to 1000");
  EXPECT_EQ(with([](auto& o) { o.at_most_once = o.idempotent = true; }),
            "job_options.idempotent must be false for a job that is at_most_once");
  EXPECT_EQ(with([](auto& o) { o.priority = 101; }), "job_options.priority must be -100 to 100");
  EXPECT_EQ(with([](auto& o) { o.label.assign(256, 'x'); }), "job_options.label must be at most 255 bytes");
  EXPECT_EQ(with([](auto& o) { o.nodes = "gpu[12"; }),
            "job_options.nodes must be patterns as a shell has them, which 'gpu[12' is not");
  EXPECT_EQ(with([](auto& o) { o.isolation = static_cast<isolation>(9); }),
            "job_options.isolation must be none, basic, landlock or sandbox");
  EXPECT_EQ(with([](auto& o) { o.output = static_cast<output>(9); }),
            "job_options.output must be usual, echo, keep or drop");
}

TEST(JobTerms, AWrongVariableIsNamed) {
  const auto with = [](const std::string& name, const std::string& value) {
    job_options o;
    o.environment[name] = value;
    return refusal(o);
  };
  EXPECT_EQ(with("A=B", "x"), "job_options.environment['A=B'] must be named by text that is not empty and has no '='");
  EXPECT_EQ(with("", "x"), "job_options.environment[''] must be named by text that is not empty and has no '='");
  EXPECT_EQ(
      with("LD_PRELOAD", "x"),
      "job_options.environment['LD_PRELOAD'] must be left out: names that begin with PP_ or LD_ are not for jobs");
  EXPECT_EQ(with("X", std::string("a\0b", 3)), "job_options.environment['X'] must be text without zero bytes");
  EXPECT_EQ(with("X", std::string(60 * 1024, 'x')), "job_options.environment must be at most 60 KiB in all");
  EXPECT_EQ(with("X", std::string(60 * 1024 - 3, 'x')), "");
}

// --- where -----------------------------------------------------------------------------------------------------------

const node_identity alpha{"gpu-alpha", "00ff", {"10.0.0.7:60000", "alpha.example:60000"}, isolation::landlock};

TEST(Placement, ANodeIsPinnedByNameIdOrAddress) {
  for (const char* by : {"gpu-alpha", "00ff", "10.0.0.7:60000", "alpha.example:60000"})
    EXPECT_TRUE(admits({by, "", {}}, alpha)) << by;
  for (const char* by : {"gpu-alph", "gpu*", "10.0.0.7"}) EXPECT_FALSE(admits({by, "", {}}, alpha)) << by;
}

TEST(Placement, PatternsMatchNamesAddressesAndHosts) {
  for (const char* list : {"gpu*", "x, gpu-alph?", "10.0.0.?", "10.0.0.7:6*", "!slow*", "gpu*, !slow*"})
    EXPECT_TRUE(admits({"", list, {}}, alpha)) << list;
  for (const char* list : {"cpu*", "!gpu*", "gpu*, !*alpha", "10.0.1.?"})
    EXPECT_FALSE(admits({"", list, {}}, alpha)) << list;
}

TEST(Placement, ANodeMustKeepJobsApartWellEnough) {
  EXPECT_TRUE(admits({"", "", isolation::landlock}, alpha));
  EXPECT_FALSE(admits({"", "", isolation::sandbox}, alpha));
}

TEST(Placement, SaysWhatWasAsked) {
  EXPECT_EQ((placement{"x", "", isolation::none}).text(), "job_options.node 'x'");
  EXPECT_EQ((placement{"x", "g*", isolation::sandbox}).text(),
            "job_options.node 'x' and job_options.nodes 'g*' and job_options.isolation sandbox");
}

}  // namespace
}  // namespace pp::ppclient
