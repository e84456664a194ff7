#include "base/log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pp::log {
namespace {

/// What one line looks like on stderr, without the time stamp of the text form.
std::string written(format how, std::string_view event, std::initializer_list<field> fields) {
  set_up(level::info, how);
  testing::internal::CaptureStderr();
  info(event, fields);
  auto text = testing::internal::GetCapturedStderr();
  set_up(level::warn, format::text);
  if (how == format::text) text.erase(0, text.find("event="));
  return text;
}

TEST(Log, LineIsKeysAndValues) {
  EXPECT_EQ(written(format::text, "ready", {{"address", "127.0.0.1:60000"}, {"workers", 8}}),
            "event=ready address=127.0.0.1:60000 workers=8\n");
}

TEST(Log, PeerTextCannotStartALineOrSteerATerminal) {
  EXPECT_EQ(written(format::text, "x", {{"name", "a b\n\x1b[31m\"\\\xff"}}),
            "event=x name=\"a b\\x0a\\x1b[31m\\\"\\\\\\xff\"\n");
}

TEST(Log, EmptyValueIsQuoted) { EXPECT_EQ(written(format::text, "x", {{"name", ""}}), "event=x name=\"\"\n"); }

TEST(Log, JsonLineParsesWhateverThePeerSent) {
  const auto line = written(format::json, "x", {{"name", "a\n\xff"}, {"count", -3}});
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["event"], "x");
  EXPECT_EQ(parsed["level"], "info");
  EXPECT_EQ(parsed["count"], -3);
}

TEST(Log, LowerLevelsAreSilent) {
  set_up(level::error, format::text);
  testing::internal::CaptureStderr();
  warn("quiet");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  set_up(level::warn, format::text);
}

TEST(Log, LevelsHaveNames) {
  level l{};
  EXPECT_TRUE(parse_level("debug", l));
  EXPECT_EQ(l, level::debug);
  EXPECT_TRUE(parse_level("off", l));
  EXPECT_EQ(l, level::off);
  EXPECT_FALSE(parse_level("loud", l));
}

}  // namespace
}  // namespace pp::log
