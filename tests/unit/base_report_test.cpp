#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "pp/error.hpp"

namespace pp {
namespace {

using namespace std::chrono_literals;

std::chrono::system_clock::time_point at(std::int64_t ms) {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms));
}

job_report crash() {
  job_report d;
  d.id = "0123456789abcdef0123456789abcdef";
  d.label = "nightly";
  d.function = "fib(int)";
  d.node = "gamma";
  d.address = "10.0.0.3:60000";
  d.pid = 4711;
  d.message = "the worker that ran the job was killed by signal 11 (Segmentation fault)";
  d.signal = 11;
  d.stack = {"fib(int) + 0x1c in myprog", "(outside of the program)"};
  d.stderr_tail = "first\nlast words\n\n";
  d.submitted = at(1'000'000'000'000);
  d.sent = at(1'000'000'000'250);
  d.ended = at(1'000'000'002'500);
  d.run_time = 2250ms;
  d.cpu_time = 1500us;
  d.peak_memory = 12 * 1024 * 1024 + 512 * 1024;
  d.starts = 2;
  d.attempts = {
      {1, "beta", "10.0.0.2:60000", at(1'000'000'000'000), at(1'000'000'000'100), "the node was lost", 0, 0, 0},
      {2, "gamma", "10.0.0.3:60000", {}, {}, "was killed by signal 11 (Segmentation fault)", 4711, 11, 0}};
  d.capsule = "/var/capsules/nightly.ppcapsule";
  return d;
}

TEST(Report, TellsACrashInLinesForAPerson) {
  EXPECT_EQ(job_error(errc::worker_crashed, crash()).report(),
            "the worker died while running the job (signal 11 SIGSEGV, 2 attempts) [node gamma]\n"
            "  code        worker_crashed (17)\n"
            "  job         0123456789abcdef0123456789abcdef\n"
            "  label       nightly\n"
            "  function    fib(int)\n"
            "  node        gamma at 10.0.0.3:60000, pid 4711\n"
            "  reason      the worker that ran the job was killed by signal 11 (Segmentation fault)\n"
            "  signal      11 (Segmentation fault)\n"
            "  submitted   2001-09-09T01:46:40.000Z\n"
            "  sent        2001-09-09T01:46:40.250Z\n"
            "  ended       2001-09-09T01:46:42.500Z\n"
            "  run time    2.250 s\n"
            "  CPU time    1.5 ms\n"
            "  peak memory 12.5 MiB\n"
            "  starts      2\n"
            "  attempts\n"
            "    1  beta at 10.0.0.2:60000: the node was lost  (2001-09-09T01:46:40.000Z to 2001-09-09T01:46:40.100Z)\n"
            "    2  gamma at 10.0.0.3:60000, pid 4711: was killed by signal 11 (Segmentation fault)\n"
            "  stack\n"
            "    #0  fib(int) + 0x1c in myprog\n"
            "    #1  (outside of the program)\n"
            "  stderr ends\n"
            "    | first\n"
            "    | last words\n"
            "  capsule     /var/capsules/nightly.ppcapsule\n"
            "  run again   ppclient replay /var/capsules/nightly.ppcapsule");
}

TEST(Report, IndentsNestedExceptions) {
  job_report d;
  d.type = "std::runtime_error";
  d.message = "cannot load";
  d.causes = {{"std::invalid_argument", "bad line 7"}, {"", "unknown exception type"}};
  EXPECT_EQ(job_error(errc::job_threw, d).report(),
            "the job threw std::runtime_error: cannot load\n"
            "  code        job_threw (16)\n"
            "  exception   std::runtime_error: cannot load\n"
            "    caused by std::invalid_argument: bad line 7\n"
            "      caused by unknown type: unknown exception type");
}

TEST(Report, OfAnErrorWithoutAJobIsItsLineAndItsCode) {
  EXPECT_EQ(error(errc::bad_option, "options.nodes: give host:port").report(),
            "options.nodes: give host:port\n  code        bad_option (54)");
}

TEST(Report, ShowsControlBytesEscaped) {
  job_report d;
  d.type = "x";
  d.message = "a\x1b[2Jb";
  d.stderr_tail = "bell\a\n";
  const auto text = job_error(errc::job_threw, d).report();
  EXPECT_EQ(text.find('\x1b'), text.npos);
  EXPECT_NE(text.find("x: a\\x1b[2Jb"), text.npos);
  EXPECT_NE(text.find("| bell\\x07"), text.npos);
}

TEST(ReportAsJson, HasEveryFieldOfTheReport) {
  const auto json = nlohmann::json::parse(job_error(errc::worker_crashed, crash()).to_json());
  EXPECT_EQ(json["code"], "worker_crashed");
  EXPECT_EQ(json["number"], 17);
  const auto& job = json["job"];
  EXPECT_EQ(job["id"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(job["function"], "fib(int)");
  EXPECT_EQ(job["pid"], 4711);
  EXPECT_EQ(job["signal"], 11);
  EXPECT_EQ(job["stack"].size(), 2U);
  EXPECT_EQ(job["sent"], "2001-09-09T01:46:40.250Z");
  EXPECT_EQ(job["run_time_us"], 2'250'000);
  EXPECT_EQ(job["cpu_time_us"], 1500);
  EXPECT_EQ(job["peak_memory"], 13'107'200);
  EXPECT_EQ(job["attempts"][0]["outcome"], "the node was lost");
  EXPECT_EQ(job["attempts"][1]["sent"], "") << "not known";
  EXPECT_EQ(job["capsule"], "/var/capsules/nightly.ppcapsule");
  EXPECT_EQ(job["inputs"].size(), 0U);
  EXPECT_EQ(job["inputs_left_out"], 0);
  EXPECT_EQ(job.size(), 25U);
}

TEST(ReportAsJson, ListsNestedExceptions) {
  job_report d;
  d.causes = {{"std::invalid_argument", "bad line 7"}};
  const auto json = nlohmann::json::parse(job_error(errc::job_threw, d).to_json());
  EXPECT_EQ(json["job"]["causes"][0]["type"], "std::invalid_argument");
  EXPECT_EQ(json["job"]["causes"][0]["message"], "bad line 7");
}

TEST(ReportAsJson, TakesTextsThatAreNoUtf8) {
  job_report d;
  d.message = "\xff\xfe";
  EXPECT_NO_THROW(nlohmann::json::parse(job_error(errc::job_threw, d).to_json()));
}

TEST(ReportAsJson, HasNoJobWhereThereIsNone) {
  const auto json = nlohmann::json::parse(error(errc::refused, "no").to_json());
  EXPECT_EQ(json["code"], "refused");
  EXPECT_TRUE(json["job"].is_null());
}

}  // namespace
}  // namespace pp
