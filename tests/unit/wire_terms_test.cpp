#include "wire/terms.hpp"

#include <gtest/gtest.h>

namespace pp::wire {
namespace {

terms everything() {
  terms t;
  t.timeout_ms = 1;
  t.cpu_ms = 0xFFFFFFFF;
  t.memory = 1ULL << 40U;
  t.max_result = 7;
  t.priority = -100;
  t.at_most_once = t.drops_output = true;
  t.label = std::string(max_label, 'x');
  t.environment = {"A=1", "EMPTY=", "PATH=/bin=/usr/bin"};
  t.use = place_use::opens;
  t.place = 0x0123456789ABCDEF;
  return t;
}

bytes encoded(const terms& t) {
  bytes out;
  encode_terms(t, out);
  return out;
}

TEST(Terms, ComeBackAsTheyWere) {
  EXPECT_EQ(decode_terms(encoded(everything())).value(), everything());
  EXPECT_EQ(decode_terms(encoded({})).value(), terms{});
}

TEST(Terms, OfAJobWithoutAnyAreTheUsual) { EXPECT_EQ(decode_terms({}).value(), terms{}); }

TEST(Terms, EveryShorterTextIsRefused) {
  const auto whole = encoded(everything());
  for (std::size_t size = 1; size < whole.size(); ++size)
    EXPECT_FALSE(decode_terms(byte_view(whole).first(size))) << size;
}

TEST(Terms, WhatFollowsThemIsRefused) {
  auto more = encoded(everything());
  more.push_back(0);
  EXPECT_FALSE(decode_terms(more));
}

TEST(Terms, UnknownFlagsAreRefused) {
  auto flagged = encoded({});
  flagged[25] = 4;
  EXPECT_FALSE(decode_terms(flagged));
}

TEST(Terms, VariablesNeedANameAndAValue) {
  for (const char* wrong : {"NAME", "=value", ""}) {
    terms t;
    t.environment = {wrong};
    EXPECT_FALSE(decode_terms(encoded(t))) << wrong;
  }
}

TEST(Terms, AnUnendedVariableIsRefused) {
  terms t;
  t.environment = {"A=1"};
  auto cut = encoded(t);
  cut.back() = 'x';
  EXPECT_FALSE(decode_terms(cut));
}

}  // namespace
}  // namespace pp::wire
