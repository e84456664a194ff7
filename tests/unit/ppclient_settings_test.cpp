#include "ppclient/settings.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

#include "pp/error.hpp"
#include "ppclient/link.hpp"

namespace pp::ppclient {
namespace {

/// Sets variables for one test and puts back what was there.
class environment {
 public:
  environment() {
    for (const char* name : names) {
      const char* const value = std::getenv(name);
      before_.emplace_back(value != nullptr ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
  }
  ~environment() {
    for (std::size_t i = 0; i < before_.size(); ++i) {
      if (before_[i]) {
        ::setenv(names[i], before_[i]->c_str(), 1);
      } else {
        ::unsetenv(names[i]);
      }
    }
  }
  void set(const char* name, const char* value) { ::setenv(name, value, 1); }

 private:
  static constexpr const char* names[] = {"PP_INTERFACES", "PP_NODES", "PP_DISCOVERY", "PP_DISCOVERY_PORT",
                                          "PP_LOCAL_WORKERS"};
  std::vector<std::optional<std::string>> before_;
};

std::string refusal(const options& o) {
  try {
    complete(o);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "accepted";
}

TEST(Settings, DefaultsAreValid) {
  const environment clean;
  EXPECT_EQ(refusal(options{}), "accepted");
}

TEST(Settings, TheEnvironmentFillsWhatTheProgramLeft) {
  environment e;
  e.set("PP_INTERFACES", "lo");
  e.set("PP_NODES", "a,b:1,");
  e.set("PP_DISCOVERY", "off");
  e.set("PP_DISCOVERY_PORT", "1234");
  e.set("PP_LOCAL_WORKERS", "3");
  const auto o = complete(options{});
  EXPECT_EQ(o.interfaces, "lo");
  EXPECT_EQ(o.nodes, (std::vector<std::string>{"a", "b:1"}));
  EXPECT_FALSE(o.discovery);
  EXPECT_EQ(o.discovery_port, 1234);
  EXPECT_EQ(o.local.count, 3);
}

TEST(Settings, TheProgramWinsOverTheEnvironment) {
  environment e;
  e.set("PP_DISCOVERY_PORT", "1234");
  e.set("PP_LOCAL_WORKERS", "3");
  options o;
  o.discovery_port = 99;
  o.local = 0;
  EXPECT_EQ(complete(o).discovery_port, 99);
  EXPECT_EQ(complete(o).local.count, 0);
}

TEST(Settings, AWrongVariableIsNamed) {
  environment e;
  e.set("PP_DISCOVERY_PORT", "70000");
  EXPECT_NE(refusal(options{}).find("PP_DISCOVERY_PORT='70000'"), std::string::npos);
}

TEST(Settings, AWrongOptionIsNamed) {
  const environment clean;
  const auto expect_named = [](const char* name, auto&& change) {
    options o;
    change(o);
    EXPECT_NE(refusal(o).find(name), std::string::npos) << name;
  };
  expect_named("options.local", [](options& o) { o.local = -7; });
  expect_named("options.local", [](options& o) { o.local = 5000; });
  expect_named("options.discovery_port", [](options& o) { o.discovery_port = 0; });
  expect_named("options.attempts", [](options& o) { o.attempts = 0; });
  expect_named("options.attempts", [](options& o) { o.attempts = 1001; });
  expect_named("options.max_pending_bytes", [](options& o) { o.max_pending_bytes = 0; });
  expect_named("options.heartbeat", [](options& o) { o.heartbeat = std::chrono::milliseconds(0); });
  expect_named("options.dead_after", [](options& o) { o.dead_after = std::chrono::milliseconds(100); });
  expect_named("options.suspect_after", [](options& o) { o.suspect_after = std::chrono::milliseconds(1); });
}

TEST(Place, ReadsHostsPortsAndIpv6) {
  EXPECT_EQ(parse_place("node2").text(), "node2:60000");
  EXPECT_EQ(parse_place("node2:77").text(), "node2:77");
  EXPECT_EQ(parse_place("10.1.2.3:1").text(), "10.1.2.3:1");
  EXPECT_EQ(parse_place("[::1]:5").text(), "[::1]:5");
  EXPECT_EQ(parse_place("[::1]").text(), "[::1]:60000");
  EXPECT_EQ(parse_place("::1").text(), "[::1]:60000");
}

TEST(Place, RefusesWhatIsNoAddress) {
  for (const char* text : {"", ":1", "a:0", "a:70000", "a:b", "[::1", "[::1]x", "a:"}) {
    EXPECT_THROW(parse_place(text), error) << text;
  }
}

}  // namespace
}  // namespace pp::ppclient
